-- name: generations
SELECT partitions, starts, switched_at IS NOT NULL AS in_force, announced_at
FROM partitionings WHERE topic = $1 ORDER BY generation;

-- name: skus
-- Where a SKU has holds or counts it has a level too; a refused stock command is remembered without one.
SELECT sku FROM stock UNION SELECT sku FROM movements;

-- name: positions
SELECT partition, epoch, next_offsets[1] AS next FROM claims WHERE room = $1 ORDER BY partition;

-- name: positions_locked
SELECT partition, epoch, next_offsets[1] AS next, at_ms FROM claims WHERE room = $1 ORDER BY partition FOR UPDATE;

-- name: lock_claims
-- The whole table, because a batch's statement takes its rows in an order of its own: row by row we could deadlock.
LOCK TABLE claims IN SHARE ROW EXCLUSIVE MODE;

-- name: announce
INSERT INTO partitionings (topic, generation, partitions, starts) VALUES ($1, $2, $3, $4);

-- name: open_claims
-- Partitions that nobody has claimed yet.
INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch)
SELECT $1::text, partition, 1, '{0}', $3::bigint, 0 FROM generate_series(0, $2::integer - 1) AS partition
ON CONFLICT DO NOTHING;

-- name: fence
UPDATE claims SET epoch = epoch + 1 WHERE room = $1;

-- name: advance_time
-- Rules too: what moves is decided by the latest version that any partition has adopted.
UPDATE claims SET at_ms = $2, rules_version = (SELECT max(rules_version) FROM claims WHERE room = $1) WHERE room = $1;

-- name: lock_announced
SELECT starts FROM partitionings WHERE topic = $1 AND generation = $2 AND switched_at IS NULL FOR UPDATE;

-- name: moves
CREATE TEMP TABLE moves (sku text PRIMARY KEY, partition integer NOT NULL) ON COMMIT DROP;

-- name: switch
UPDATE partitionings SET switched_at = clock_timestamp() WHERE topic = $1 AND generation = $2;

-- name: cancel
DELETE FROM partitionings WHERE topic = $1 AND switched_at IS NULL;

-- name: seconds_since
SELECT extract(epoch FROM clock_timestamp() - $1::timestamptz)::float8;
