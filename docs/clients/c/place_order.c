/* Places an order with librdkafka and Avro C, and follows it until it is paid (exit status 0) or not (1).
 * cc place_order.c -o place_order $(pkg-config --cflags --libs rdkafka avro-c)
 */
#include <avro.h>
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { PLACE_ORDER_LINE = 98, LINES = 3, TIMEOUT_MS = 10000 }; /* the schema's id: ids never change */

typedef struct {
    const char *sku;
    int quantity;
    long unit_price_minor;
} line_t;

static const line_t LINE[LINES] = {{"MUG", 1, 1295}, {"TEA", 2, 450}, {"MUG", 1, 1295}};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(2);
}

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

/* A UUIDv7 (RFC 9562): 48 bits of time, then random ones. */
static void new_order_id(char id[37]) {
    uint8_t b[16];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (getrandom(b, sizeof b, 0) != sizeof b) fail("getrandom", "no random bytes");
    for (int at = 0; at < 6; at++) b[at] = (uint8_t)(ms >> (40 - 8 * at));
    b[6] = (b[6] & 0x0f) | 0x70;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(id, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5],
             b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* The schema of an id, from schemas/history. */
static avro_schema_t schema_of(uint32_t id) {
    static avro_schema_t known[4096];
    if (id >= 4096) fail("schema", "the id is beyond what this program keeps");
    if (known[id] == NULL) {
        char path[4096], text[65536];
        snprintf(path, sizeof path, "%s/history/%u.avsc", setting("LASTUNIT_SCHEMAS", "schemas"), id);
        FILE *file = fopen(path, "r");
        if (file == NULL) fail(path, "no such schema");
        size_t length = fread(text, 1, sizeof text, file);
        fclose(file);
        if (avro_schema_from_json_length(text, length, &known[id])) fail(path, avro_strerror());
    }
    return known[id];
}

static void set_text(avro_value_t *record, const char *name, const char *text) {
    avro_value_t field;
    avro_value_get_by_name(record, name, &field, NULL);
    if (avro_value_set_string(&field, text)) fail(name, avro_strerror());
}

static void set_int(avro_value_t *record, const char *name, int number) {
    avro_value_t field;
    avro_value_get_by_name(record, name, &field, NULL);
    if (avro_value_set_int(&field, number)) fail(name, avro_strerror());
}

static void set_long(avro_value_t *record, const char *name, long number) {
    avro_value_t field;
    avro_value_get_by_name(record, name, &field, NULL);
    if (avro_value_set_long(&field, number)) fail(name, avro_strerror());
}

/* Write the command for line `at` (from 0) of the order; return its length in bytes. */
static size_t encode(char *value, size_t room, const char *order_id, int at) {
    const line_t *line = &LINE[at];
    long demand = 0; /* what this line and those after it want of the SKU */
    for (int later = at; later < LINES; later++)
        if (strcmp(LINE[later].sku, line->sku) == 0) demand += LINE[later].quantity;
    avro_value_iface_t *class = avro_generic_class_from_schema(schema_of(PLACE_ORDER_LINE));
    avro_value_t command;
    avro_generic_value_new(class, &command);
    set_text(&command, "order_id", order_id);
    set_int(&command, "line", at + 1);
    set_int(&command, "line_count", LINES);
    set_text(&command, "sku", line->sku);
    set_int(&command, "quantity", line->quantity);
    set_long(&command, "demand", demand);
    set_long(&command, "unit_price_minor", line->unit_price_minor);
    set_text(&command, "currency", "GBP");
    set_text(&command, "customer_id", "c-7");
    set_text(&command, "payment_token", "tok_ok");
    set_int(&command, "hold_seconds", 900);
    set_text(&command, "cart_id", "");
    set_text(&command, "terms", "");
    set_text(&command, "reference", "");
    const uint8_t head[5] = {0, 0, 0, PLACE_ORDER_LINE >> 8, PLACE_ORDER_LINE & 0xff};
    memcpy(value, head, sizeof head);
    avro_writer_t writer = avro_writer_memory(value + sizeof head, (int64_t)(room - sizeof head));
    if (avro_value_write(writer, &command)) fail("encode", avro_strerror());
    size_t length = sizeof head + (size_t)avro_writer_tell(writer);
    avro_writer_free(writer);
    avro_value_decref(&command);
    avro_value_iface_decref(class);
    return length;
}

static int unacknowledged = LINES;

static void acknowledged(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque) {
    (void)producer, (void)opaque;
    if (message->err) fail("not acknowledged", rd_kafka_err2str(message->err)); /* the same order again is harmless */
    unacknowledged--;
}

static rd_kafka_t *client(rd_kafka_type_t type) {
    char error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", setting("LASTUNIT_KAFKA_BOOTSTRAP", "localhost:9092"), error, sizeof error);
    rd_kafka_conf_set(conf, "group.id", "unused", error, sizeof error); /* a consumer wants one; nothing is committed */
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", error, sizeof error);
    rd_kafka_conf_set(conf, "acks", "all", error, sizeof error);
    /* librdkafka's own default is CRC32, which puts a SKU elsewhere than everybody else does. */
    const char *partitioner = setting("PARTITIONER", "murmur2_random");
    if (rd_kafka_conf_set(conf, "partitioner", partitioner, error, sizeof error)) fail("partitioner", error);
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, acknowledged);
    rd_kafka_t *made = rd_kafka_new(type, conf, error, sizeof error);
    if (made == NULL) fail("client", error);
    return made;
}

static void place(const char *topic, const char *order_id) {
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER);
    for (int at = 0; at < LINES; at++) {
        char value[1024];
        size_t length = encode(value, sizeof value, order_id, at);
        rd_kafka_resp_err_t error = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(LINE[at].sku, strlen(LINE[at].sku)),
            RD_KAFKA_V_VALUE(value, length), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (error) fail("produce", rd_kafka_err2str(error));
    }
    rd_kafka_flush(producer, TIMEOUT_MS);
    if (unacknowledged > 0) fail("produce", "Kafka did not acknowledge in time");
    rd_kafka_destroy(producer);
}

/* Stand at the end of the partition that will have the order's events. */
static void stand_at_the_end(rd_kafka_t *consumer, const char *topic, const char *order_id) {
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_resp_err_t error = rd_kafka_metadata(consumer, 0, handle, &metadata, TIMEOUT_MS);
    if (error) fail("metadata", rd_kafka_err2str(error));
    int32_t partition = rd_kafka_msg_partitioner_murmur2(handle, order_id, strlen(order_id),
                                                         metadata->topics[0].partition_cnt, NULL, NULL);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    int64_t low, high;
    error = rd_kafka_query_watermark_offsets(consumer, topic, partition, &low, &high, TIMEOUT_MS);
    if (error) fail("offsets", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_t *assigned = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(assigned, topic, partition)->offset = high;
    rd_kafka_assign(consumer, assigned);
    rd_kafka_topic_partition_list_destroy(assigned);
}

/* Print one event; return the exit status if it ends the order, else -1. */
static int print(const rd_kafka_message_t *message) {
    const uint8_t *bytes = message->payload;
    uint32_t id = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    avro_value_iface_t *class = avro_generic_class_from_schema(schema_of(id)); /* the schema that wrote it */
    avro_value_t event;
    avro_generic_value_new(class, &event);
    avro_reader_t reader = avro_reader_memory((const char *)bytes + 5, (int64_t)message->len - 5);
    char *json = NULL;
    if (avro_value_read(reader, &event) || avro_value_to_json(&event, 1, &json)) fail("decode", avro_strerror());
    const char *name = avro_schema_name(schema_of(id));
    printf("%s %s\n", name, json);
    int status = strcmp(name, "OrderPaid") == 0 ? 0
                 : strcmp(name, "OrderRejected") == 0 || strcmp(name, "OrderCancelled") == 0 ? 1 : -1;
    free(json);
    avro_reader_free(reader);
    avro_value_decref(&event);
    avro_value_iface_decref(class);
    return status;
}

int main(void) {
    char order_id[37], commands[256], events[256];
    new_order_id(order_id);
    snprintf(commands, sizeof commands, "%sinventory.commands", setting("LASTUNIT_NAMESPACE", ""));
    snprintf(events, sizeof events, "%sorder.events", setting("LASTUNIT_NAMESPACE", ""));
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER);
    rd_kafka_poll_set_consumer(consumer);
    stand_at_the_end(consumer, events, order_id);
    place(commands, order_id);
    printf("order %s\n", order_id);
    int status = -1;
    while (status < 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 1000);
        if (message == NULL) continue;
        if (message->err) fail("consume", rd_kafka_message_errstr(message));
        if (message->key_len == 36 && memcmp(message->key, order_id, 36) == 0) status = print(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return status;
}
