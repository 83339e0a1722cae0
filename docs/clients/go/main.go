// Places an order with franz-go and follows it until it is paid (exit status 0) or not (1).
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The id of the version of PlaceOrderLine that this program was written for: ids never change.
const placeOrderLineID = 98

type placeOrderLine struct {
	OrderID        string `avro:"order_id"`
	Line           int    `avro:"line"`
	LineCount      int    `avro:"line_count"`
	SKU            string `avro:"sku"`
	Quantity       int    `avro:"quantity"`
	Demand         int64  `avro:"demand"`
	UnitPriceMinor int64  `avro:"unit_price_minor"`
	Currency       string `avro:"currency"`
	CustomerID     string `avro:"customer_id"`
	PaymentToken   string `avro:"payment_token"`
	HoldSeconds    int    `avro:"hold_seconds"`
	CartID         string `avro:"cart_id"`
	Terms          string `avro:"terms"`
	Reference      string `avro:"reference"`
}

var (
	bootstrap = setting("LASTUNIT_KAFKA_BOOTSTRAP", "localhost:9092")
	namespace = setting("LASTUNIT_NAMESPACE", "") // what topics' names begin with, on a shared cluster
	schemas   = setting("LASTUNIT_SCHEMAS", "schemas")
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events := namespace + "order.events"
	// StickyKeyPartitioner with a nil hasher is murmur2 of the key, as Java. It is franz-go's default; here it is named.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.RequiredAcks(kgo.AllISRAcks()),
	)
	must(err)
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, events) // before the order is placed
	must(err)
	client.AddConsumePartitions(ends.KOffsets())

	id, err := uuid.NewV7()
	must(err)
	must(client.ProduceSync(ctx, commands(id.String())...).FirstErr()) // the same order again would be harmless
	fmt.Println("order", id)

	switch follow(ctx, client, id.String()) {
	case "OrderPaid":
	default:
		os.Exit(1)
	}
}

// commands returns one record for each line, keyed by its SKU.
func commands(orderID string) []*kgo.Record {
	lines := []placeOrderLine{
		{SKU: "MUG", Quantity: 1, UnitPriceMinor: 1295},
		{SKU: "TEA", Quantity: 2, UnitPriceMinor: 450},
		{SKU: "MUG", Quantity: 1, UnitPriceMinor: 1295},
	}
	records := make([]*kgo.Record, len(lines))
	for at := range lines {
		line := &lines[at]
		line.OrderID, line.Line, line.LineCount = orderID, at+1, len(lines)
		line.Currency, line.CustomerID, line.PaymentToken, line.HoldSeconds = "GBP", "c-7", "tok_ok", 900
		for _, later := range lines[at:] { // demand: what this line and those after it want of the SKU
			if later.SKU == line.SKU {
				line.Demand += int64(later.Quantity)
			}
		}
		body, err := avro.Marshal(schema(placeOrderLineID), line)
		must(err)
		value := binary.BigEndian.AppendUint32([]byte{0}, placeOrderLineID)
		topic := namespace + "inventory.commands"
		records[at] = &kgo.Record{Topic: topic, Key: []byte(line.SKU), Value: append(value, body...)}
	}
	return records
}

// follow prints the events of the order and returns the name of the one that ends it.
func follow(ctx context.Context, client *kgo.Client, orderID string) string {
	for {
		fetches := client.PollFetches(ctx)
		must(fetches.Err())
		for _, record := range fetches.Records() {
			if string(record.Key) != orderID {
				continue
			}
			// The schema that wrote the record is the one that its id names.
			writer := schema(binary.BigEndian.Uint32(record.Value[1:5]))
			fields := map[string]any{}
			must(avro.Unmarshal(writer, record.Value[5:], &fields))
			text, err := json.Marshal(fields)
			must(err)
			name := writer.(*avro.RecordSchema).Name()
			fmt.Println(name, string(text))
			switch name {
			case "OrderPaid", "OrderRejected", "OrderCancelled":
				return name
			}
		}
	}
}

var cache = map[uint32]avro.Schema{}

func schema(id uint32) avro.Schema {
	if _, known := cache[id]; !known {
		text, err := os.ReadFile(filepath.Join(schemas, "history", fmt.Sprintf("%d.avsc", id)))
		must(err)
		cache[id] = avro.MustParse(string(text))
	}
	return cache[id]
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
