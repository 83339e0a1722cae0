-- name: now_ms
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- name: partitions
SELECT p.relname::text AS "table", c.relname::text AS name, greatest(c.reltuples, 0)::bigint AS rows,
    pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i
JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_class c ON c.oid = i.inhrelid
WHERE p.relkind = 'p' AND p.relnamespace = current_schema()::regnamespace
ORDER BY p.relname, c.relname;

-- name: carry_movements
INSERT INTO stock_balances AS b (sku, on_hand, quarantined, brought, shipped)
SELECT sku, sum(quantity), sum(quarantined),
    coalesce(sum(quantity) FILTER (WHERE kind NOT IN ('shipment', 'return')), 0), 0
FROM {movements} GROUP BY sku
HAVING count(*) FILTER (WHERE quantity <> 0 OR quarantined <> 0) > 0
ORDER BY sku
ON CONFLICT (sku) DO UPDATE SET on_hand = b.on_hand + excluded.on_hand,
    quarantined = b.quarantined + excluded.quarantined, brought = b.brought + excluded.brought;

-- name: carry_shipments
-- State 5 is shipped (consumers/inventory/state.py).
INSERT INTO stock_balances AS b (sku, on_hand, quarantined, brought, shipped)
SELECT sku, 0, 0, 0, sum(quantity) FROM {holds} WHERE state = 5 GROUP BY sku ORDER BY sku
ON CONFLICT (sku) DO UPDATE SET shipped = b.shipped + excluded.shipped;

-- name: sum_purchases
CREATE TEMPORARY TABLE carried_purchases ON COMMIT DROP AS
SELECT sku, buyer, sum(quantity) AS units FROM {holds} WHERE state = 5 AND buyer IS NOT NULL GROUP BY sku, buyer;

-- name: carry_purchases
UPDATE purchases p SET carried = p.carried + h.units
FROM carried_purchases h
WHERE p.sku = h.sku AND p.customer_id = h.buyer;

-- name: note_dropped
WITH touching AS (
    DELETE FROM dropped_weeks WHERE until_ms = $1 OR from_ms = $2 RETURNING from_ms, until_ms
)
INSERT INTO dropped_weeks (from_ms, until_ms)
SELECT least($1, min(from_ms)), greatest($2, max(until_ms)) FROM touching;
