-- name: claim
-- No row: the position belongs to another log (consumers/runtime/log_identity.py), and its owner is not fenced.
INSERT INTO claims AS c (room, partition, epoch, next_offsets, at_ms, batch, cluster_id, topic_ids, group_id)
VALUES ($1, $2, 1, ARRAY[$3::bigint], 0, 0, $4, ARRAY[$5::text], $6)
ON CONFLICT (room, partition) DO UPDATE
SET epoch = c.epoch + 1, cluster_id = $4, topic_ids = ARRAY[$5::text], group_id = $6
WHERE coalesce(c.cluster_id, $4) = $4 AND coalesce(c.topic_ids, ARRAY[$5::text]) = ARRAY[$5::text]
RETURNING epoch, next_offsets[1] AS next_offset, at_ms, batch, rules_version, coalesce(last_records[1], '') AS last_record,
    extract(epoch FROM clock_timestamp() - committed_at)::double precision AS silent_seconds;

-- name: positions
SELECT partition, epoch, next_offsets[1] AS next_offset, at_ms, batch, rules_version,
    coalesce(last_records[1], '') AS last_record, cluster_id, array_to_string(topic_ids, ', ') AS topic_id, group_id
FROM claims WHERE room = $1 AND partition = ANY($2::integer[]);

-- name: positions_by_room
SELECT room, partition, epoch, next_offsets[1] AS next_offset FROM claims
WHERE (room, partition) IN (SELECT * FROM unnest($1::text[], $2::integer[]));

-- name: log_time
SELECT at_ms FROM claims WHERE room = $1 AND partition = $2;

-- name: went_back
UPDATE claims SET went_back_at = now(), reread_up_to = ARRAY[$3::bigint] WHERE room = $1 AND partition = $2;

-- name: first_generation
INSERT INTO partitionings (topic, generation, partitions, starts, switched_at)
VALUES ($1, 1, $2::integer, array_fill(0::bigint, ARRAY[$2::integer]), now())
ON CONFLICT DO NOTHING;

-- name: partitions_in_use
SELECT DISTINCT ON (topic) topic, partitions FROM partitionings
WHERE switched_at IS NOT NULL ORDER BY topic, generation DESC;

-- name: generations
SELECT partitions, starts, switched_at IS NOT NULL AS in_force FROM partitionings WHERE topic = $1 ORDER BY generation;

-- name: registered_schemas
SELECT id FROM registered_schemas WHERE id = ANY($1::bigint[]);

-- name: confirm_orders
-- Positions and rows of one snapshot: where a position is beyond a record, what was decided about it stands in the row.
-- Beside its position in order.events stands how far the room itself decided order.commands, before there was intake.
SELECT w.n, CASE WHEN c.next_offsets IS NOT NULL THEN c.next_offsets || coalesce(d.next_offset, 0) END AS next_offsets,
    o.state, o.amount_minor, o.currency, o.customer_id, o.payment_token, o.terms, o.lines::text AS lines
FROM unnest($1::text::uuid[], $2::integer[]) WITH ORDINALITY AS w (order_id, partition, n)
LEFT JOIN claims c ON c.room = 'orders' AND c.partition = w.partition
LEFT JOIN order_commands_decided d ON d.room = 'orders' AND d.partition = w.partition
LEFT JOIN orders o ON o.order_id = w.order_id;

-- name: confirm_fulfilment
SELECT w.n, CASE WHEN c.next_offsets IS NOT NULL THEN c.next_offsets || coalesce(d.next_offset, 0) END AS next_offsets,
    f.state, f.lines::text AS lines, f.shipments::text AS shipments
FROM unnest($1::text::uuid[], $2::integer[]) WITH ORDINALITY AS w (order_id, partition, n)
LEFT JOIN claims c ON c.room = 'fulfilment' AND c.partition = w.partition
LEFT JOIN order_commands_decided d ON d.room = 'fulfilment' AND d.partition = w.partition
LEFT JOIN fulfilments f ON f.order_id = w.order_id;

-- name: confirm_payments
SELECT w.n, CASE WHEN c.next_offsets IS NOT NULL THEN c.next_offsets || coalesce(d.next_offset, 0) END AS next_offsets,
    p.state, p.at_shipping, p.order_over, p.all_shipped, p.external, a.attempts
FROM unnest($1::text::uuid[], $2::integer[]) WITH ORDINALITY AS w (order_id, partition, n)
LEFT JOIN claims c ON c.room = 'payments' AND c.partition = w.partition
LEFT JOIN order_commands_decided d ON d.room = 'payments' AND d.partition = w.partition
LEFT JOIN payments p ON p.order_id = w.order_id
LEFT JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_array(t.kind, t.amount_minor, t.reference, t.authorization_id, t.result)), '[]')::text
        AS attempts
    FROM payment_attempts t WHERE t.order_id = w.order_id
) AS a ON true;

-- name: confirm_inventory
-- The states by their number, as consumers/runtime/origins/lines.py names them.
SELECT w.n, c.next_offsets,
    (ARRAY['held', 'committed', 'released', 'expired', 'returned', 'shipped'])[h.state + 1] AS state, h.quantity,
    h.expires_at_ms, w.at_ms, coalesce(o.state = 'committing', false) AS is_committing, f.order_id IS NOT NULL AS is_fulfilled
FROM unnest($1::text::uuid[], $2::integer[], $3::integer[], $4::text[], $5::bigint[]) WITH ORDINALITY
    AS w (order_id, partition, line, sku, at_ms, n)
LEFT JOIN claims c ON c.room = 'inventory' AND c.partition = w.partition
LEFT JOIN holds h ON h.order_id = w.order_id AND h.line = w.line AND h.sku = w.sku
LEFT JOIN orders o ON o.order_id = w.order_id
LEFT JOIN fulfilments f ON f.order_id = w.order_id;

-- name: pauses
SELECT room, partition FROM pauses WHERE room = ANY($1::text[]);

-- name: unpublished
SELECT room, partition, batch, records FROM outbox
WHERE room = ANY($1::text[]) AND partition = ANY($2::integer[]) ORDER BY room, partition, batch;

-- name: published
-- Earlier blobs go too: a partition's blobs are published in order, and a crash of PostgreSQL brings back those that were
-- deleted in its last moments (their deletion is not flushed). The lower bound spares the scan of all that is long dead.
DELETE FROM outbox o USING unnest($1::text[], $2::integer[], $3::bigint[]) AS p (room, partition, batch)
WHERE o.room = p.room AND o.partition = p.partition AND o.batch BETWEEN p.batch - 1000 AND p.batch;

-- name: commit
-- The fence comes first: compare-and-set epoch and position of every room's partition in the batch. Whatever follows reads
-- FROM guard, and guard refuses the whole statement when one partition is no longer ours.
-- Rows that change are looked up one by one (LATERAL ... OFFSET 0 leaves the planner no other way) and go ON CONFLICT
-- into their place. An UPDATE that joins them to its table reads all of a table that was empty when it was analysed.
-- In a table that is kept by weeks they lie between the first and the last id: weeks outside are not even begun to be read.
WITH fence AS (
    UPDATE claims c
    SET next_offsets = ARRAY[f.new_offset], at_ms = f.at_ms, batch = f.batch, committed_at = now(),
        last_records = ARRAY[f.last_record], rules_version = f.rules_version
    FROM unnest(
        $1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        {last_records}::text[], {rules_versions}::integer[]
    ) AS f (room, partition, epoch, old_offset, new_offset, at_ms, batch, last_record, rules_version)
    WHERE c.room = ANY($1::text[]) AND c.partition = ANY($2::integer[]) AND c.room = f.room AND c.partition = f.partition
        AND c.epoch = f.epoch AND c.next_offsets = ARRAY[f.old_offset]
    RETURNING c.partition
),
guard AS MATERIALIZED (
    SELECT require_fence(count(*), cardinality($2::integer[])) AS ok FROM fence
),
outbox_rows AS (
    INSERT INTO outbox (room, partition, batch, records)
    SELECT u.room, u.partition, u.batch, u.records
    FROM unnest($1::text[], $2::integer[], $7::bigint[], $8::bytea[]) AS u (room, partition, batch, records), guard
    WHERE u.records IS NOT NULL
){saves}
SELECT ok FROM guard;
