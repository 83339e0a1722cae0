-- name: load_stock
SELECT sku, on_hand, reserved, allocated FROM stock WHERE sku = ANY($1::text[]);

-- name: load_holds
SELECT h.order_id, h.line, h.sku, h.quantity, h.state, h.expires_at_ms
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS k (order_id, line, sku)
JOIN holds h USING (order_id, line, sku);

-- name: load_commands
SELECT command_id, sku
FROM unnest($1::text[], $2::text[]) AS k (command_id, sku)
JOIN movements USING (command_id, sku);

-- name: load_due
SELECT order_id, line, sku, quantity, state, expires_at_ms
FROM holds
WHERE partition = $1 AND state = 0 AND expires_at_ms <= $2
ORDER BY expires_at_ms, order_id, line, sku COLLATE "C"
LIMIT $3;

-- name: earliest_expiry
SELECT min(expires_at_ms) FROM holds WHERE partition = $1 AND state = 0 AND expires_at_ms > $2;

-- name: save
-- Levels change by differences, so that the CHECK of `stock` also catches a memory that went wrong.
placed AS (
    INSERT INTO holds (order_id, line, sku, partition, quantity, state, expires_at_ms)
    SELECT n.order_id, n.line, n.sku, n.partition, n.quantity, n.state, n.expires_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::integer[], $14::integer[], $15::smallint[], $16::bigint[])
        AS n (order_id, line, sku, partition, quantity, state, expires_at_ms), held
),
turned AS (
    UPDATE holds h SET state = c.state
    FROM unnest($17::uuid[], $18::integer[], $19::text[], $20::smallint[]) AS c (order_id, line, sku, state), held
    WHERE h.order_id = c.order_id AND h.line = c.line AND h.sku = c.sku
),
stocked AS (
    INSERT INTO stock (sku, partition, on_hand, reserved, allocated)
    SELECT n.sku, n.partition, n.on_hand, n.reserved, n.allocated
    FROM unnest($21::text[], $22::integer[], $23::bigint[], $24::bigint[], $25::bigint[])
        AS n (sku, partition, on_hand, reserved, allocated), held
),
levelled AS (
    UPDATE stock s
    SET on_hand = s.on_hand + c.on_hand, reserved = s.reserved + c.reserved, allocated = s.allocated + c.allocated
    FROM unnest($26::text[], $27::bigint[], $28::bigint[], $29::bigint[]) AS c (sku, on_hand, reserved, allocated), held
    WHERE s.sku = c.sku
),
moved AS (
    INSERT INTO movements (command_id, sku, partition, kind, quantity, at_ms)
    SELECT n.command_id, n.sku, n.partition, n.kind, n.quantity, n.at_ms
    FROM unnest($30::text[], $31::text[], $32::integer[], $33::text[], $34::bigint[], $35::bigint[])
        AS n (command_id, sku, partition, kind, quantity, at_ms), held
)
