import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Places an order with kafka-clients and Avro, and follows it until it is paid (exit status 0) or not (1). */
public final class PlaceOrder {
    /** A line of the order; the price is that of one unit, in minor units of the currency. */
    record Line(String sku, int quantity, long unitPriceMinor) {}

    private static final String BOOTSTRAP = setting("LASTUNIT_KAFKA_BOOTSTRAP", "localhost:9092");
    private static final String NAMESPACE = setting("LASTUNIT_NAMESPACE", ""); // what topics' names begin with
    private static final Path HISTORY = Path.of(setting("LASTUNIT_SCHEMAS", "schemas"), "history");
    /** The id of the version of PlaceOrderLine that this program was written for: ids never change. */
    private static final int PLACE_ORDER_LINE = 98;
    private static final Set<String> LAST = Set.of("OrderPaid", "OrderRejected", "OrderCancelled");
    private static final Map<Integer, Schema> SCHEMAS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        String orderId = newOrderId();
        List<Line> lines = List.of(new Line("MUG", 1, 1295), new Line("TEA", 2, 450), new Line("MUG", 1, 1295));
        try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(
                settings(), new StringDeserializer(), new ByteArrayDeserializer())) {
            // No consumer group: nobody shares the work. Stand at the end before the order is placed.
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(NAMESPACE + "order.events")
                    .forEach(each -> partitions.add(new TopicPartition(each.topic(), each.partition())));
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);
            place(orderId, lines);
            System.out.println("order " + orderId);
            System.exit(follow(consumer, orderId).equals("OrderPaid") ? 0 : 1);
        }
    }

    private static void place(String orderId, List<Line> lines) throws Exception {
        Properties settings = settings();
        settings.put("acks", "all"); // and no partitioner: the default is murmur2 of the key
        try (KafkaProducer<String, byte[]> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> acknowledgements = new ArrayList<>();
            for (int at = 0; at < lines.size(); at++) {
                Line line = lines.get(at);
                long demand = lines.subList(at, lines.size()).stream()
                        .filter(later -> later.sku().equals(line.sku())).mapToLong(Line::quantity).sum();
                GenericRecord command = new GenericData.Record(schema(PLACE_ORDER_LINE));
                command.put("order_id", orderId);
                command.put("line", at + 1);
                command.put("line_count", lines.size());
                command.put("sku", line.sku());
                command.put("quantity", line.quantity());
                command.put("demand", demand);
                command.put("unit_price_minor", line.unitPriceMinor());
                command.put("currency", "GBP");
                command.put("customer_id", "c-7");
                command.put("payment_token", "tok_ok");
                command.put("hold_seconds", 900);
                command.put("cart_id", "");
                command.put("terms", "");
                command.put("reference", "");
                acknowledgements.add(producer.send(new ProducerRecord<>(
                        NAMESPACE + "inventory.commands", line.sku(), encode(PLACE_ORDER_LINE, command))));
            }
            for (Future<RecordMetadata> each : acknowledgements) {
                each.get(); // throws what went wrong; sending the same order again is harmless
            }
        }
    }

    private static String follow(KafkaConsumer<String, byte[]> consumer, String orderId) throws IOException {
        while (true) {
            for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                if (!orderId.equals(record.key())) {
                    continue;
                }
                GenericRecord event = decode(record.value());
                String name = event.getSchema().getName();
                System.out.println(name + " " + event);
                if (LAST.contains(name)) {
                    return name;
                }
            }
        }
    }

    /** A UUIDv7 (RFC 9562): 48 bits of time, then random ones. */
    private static String newOrderId() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long high = System.currentTimeMillis() << 16 | 0x7000 | random.nextInt(0x1000);
        long low = Long.MIN_VALUE | random.nextLong() >>> 2;
        return new UUID(high, low).toString();
    }

    private static byte[] encode(int id, GenericRecord message) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        var encoder = EncoderFactory.get().directBinaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(message.getSchema()).write(message, encoder);
        return out.toByteArray();
    }

    /** Reads a message by the schema that it was written by: the one that its id names. */
    private static GenericRecord decode(byte[] value) throws IOException {
        Schema writer = schema(ByteBuffer.wrap(value).getInt(1));
        var decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
        return new GenericDatumReader<GenericRecord>(writer).read(null, decoder);
    }

    private static Schema schema(int id) throws IOException {
        if (!SCHEMAS.containsKey(id)) {
            SCHEMAS.put(id, new Schema.Parser().parse(HISTORY.resolve(id + ".avsc").toFile()));
        }
        return SCHEMAS.get(id);
    }

    private static Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", BOOTSTRAP);
        return settings;
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
