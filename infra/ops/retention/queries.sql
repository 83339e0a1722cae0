-- name: now_ms
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- name: claims
SELECT room, partition, next_offsets[1], at_ms FROM claims;

-- name: dropped
SELECT from_ms, until_ms FROM dropped_weeks ORDER BY from_ms;

-- name: forget_indexed_orders
DELETE FROM search.orders WHERE order_id IN (SELECT order_id FROM search.orders WHERE order_id < $1 ORDER BY order_id LIMIT $2);

-- name: forget_addresses
DELETE FROM edge.addresses WHERE order_id IN (SELECT order_id FROM edge.addresses WHERE order_id < $1 ORDER BY order_id LIMIT $2);

-- name: forget_imported_returns
DELETE FROM imported_returns WHERE (source, external_id) IN (
    SELECT source, external_id FROM imported_returns WHERE order_id < $1 LIMIT $2
);

-- name: forget_imports
-- Of an import that was never acknowledged the order may still have to be published.
DELETE FROM imports WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM imports WHERE published_at IS NOT NULL AND order_id < $1 LIMIT $2
));

-- name: forget_purchases
DELETE FROM purchases WHERE units = 0 AND carried = 0 AND ctid = ANY(ARRAY(
    SELECT ctid FROM purchases WHERE units = 0 AND carried = 0 LIMIT $1
));

-- name: forget_ranges
-- `ranges` are triples: index of the source topic, first offset, offset after the last. $3 has each source's log start.
DELETE FROM decided_ranges d USING (
    SELECT batch FROM decided_ranges
    WHERE room = $1 AND partition = $2 AND NOT EXISTS (
        SELECT FROM generate_series(1, cardinality(ranges), 3) AS i
        WHERE ranges[i + 2] > ($3::bigint[])[ranges[i] + 1]
    )
    ORDER BY batch LIMIT $4
) AS past
WHERE d.room = $1 AND d.partition = $2 AND d.batch = past.batch;
