-- name: read_positions
SELECT partition, next_offset FROM search.positions WHERE partition = ANY($1::integer[]);

-- name: forget_positions
DELETE FROM search.positions;

-- name: write_orders
-- Whoever moves a position has written all before it from where it stood, so of two writers the later is right.
WITH moved AS (
    INSERT INTO search.positions AS p (partition, next_offset)
    SELECT * FROM unnest($1::integer[], $2::bigint[])
    ON CONFLICT (partition) DO UPDATE SET next_offset = greatest(p.next_offset, excluded.next_offset)
)
INSERT INTO search.orders AS o (order_id, placed_at_ms, customer_id, reference, skus, state, state_offset)
SELECT n.order_id, n.placed_at_ms, n.customer_id, n.reference, string_to_array(n.skus, E'\x1f'), n.state, n.state_offset
FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[])
    AS n (order_id, placed_at_ms, customer_id, reference, skus, state, state_offset)
ORDER BY n.order_id
ON CONFLICT (order_id) DO UPDATE SET
    placed_at_ms = least(o.placed_at_ms, excluded.placed_at_ms),
    customer_id = coalesce(nullif(excluded.customer_id, ''), o.customer_id),
    reference = coalesce(nullif(excluded.reference, ''), o.reference),
    skus = CASE WHEN o.skus @> excluded.skus THEN o.skus
           ELSE ARRAY(SELECT DISTINCT unnest(o.skus || excluded.skus) ORDER BY 1) END,
    state = CASE WHEN excluded.state_offset >= o.state_offset THEN excluded.state ELSE o.state END,
    state_offset = greatest(o.state_offset, excluded.state_offset);

-- name: find_orders
SELECT order_id, placed_at_ms, customer_id, reference, state, skus FROM search.orders;
