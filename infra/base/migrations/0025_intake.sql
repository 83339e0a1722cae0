-- An order's commands and facts have one log, order.events (docs/decisions, 037). Rooms that read order.commands beside it stop there,
-- each at its position; intake goes on from the one that is furthest behind, so that nothing is left out. What others had decided
-- there reaches them a second time, as a command that is sent twice does.

LOCK TABLE claims IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE order_commands_decided (
    room          text    NOT NULL,
    partition     integer NOT NULL,
    next_offset   bigint  NOT NULL,  -- order.commands is decided up to here by the room itself, and from the least of these on by intake
    rules_version integer NOT NULL,
    PRIMARY KEY (room, partition)
);
COMMENT ON TABLE order_commands_decided IS
    'Where rooms stood in order.commands when intake took it over; a replay reads the log up to there as they did.';
COMMENT ON TABLE decided_ranges IS
    'The order in which a room with several source topics decided them, up to migration 0025; no room has several since.';

-- Orders had the topic second, payments and fulfilment first.
CREATE TEMPORARY TABLE earlier ON COMMIT DROP AS
SELECT c.*, CASE room WHEN 'orders' THEN 2 ELSE 1 END AS commands, CASE room WHEN 'orders' THEN 1 ELSE 2 END AS events
FROM claims c WHERE room IN ('orders', 'payments', 'fulfilment') AND cardinality(next_offsets) = 2;

INSERT INTO order_commands_decided (room, partition, next_offset, rules_version)
SELECT room, partition, next_offsets[commands], rules_version FROM earlier;

-- Where one of the three had not begun, intake begins at the log's beginning too.
INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch, cluster_id, topic_ids, last_records, rules_version)
SELECT DISTINCT ON (partition) 'intake', partition, 1, ARRAY[next_offsets[commands]], 0, 0, cluster_id,
    CASE WHEN topic_ids IS NOT NULL THEN ARRAY[topic_ids[commands]] END,
    CASE WHEN last_records IS NOT NULL THEN ARRAY[last_records[commands]] END,
    rules_version
FROM earlier e
WHERE (SELECT count(*) FROM earlier o WHERE o.partition = e.partition) = 3
ORDER BY partition, next_offsets[commands], room;

-- The epoch too: whoever reads both topics still is fenced.
UPDATE claims c
SET epoch = c.epoch + 1,
    next_offsets = ARRAY[c.next_offsets[e.events]],
    topic_ids = CASE WHEN c.topic_ids IS NOT NULL THEN ARRAY[c.topic_ids[e.events]] END,
    last_records = CASE WHEN c.last_records IS NOT NULL THEN ARRAY[c.last_records[e.events]] END,
    reread_up_to = CASE WHEN c.reread_up_to IS NOT NULL THEN ARRAY[c.reread_up_to[e.events]] END
FROM earlier e WHERE c.room = e.room AND c.partition = e.partition;
