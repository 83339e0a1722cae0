-- name: load_stock
SELECT sku, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended, is_retired, parking
FROM stock WHERE sku = ANY($1::text[]);

-- name: load_parked
SELECT sku, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended, is_retired, parking
FROM stock WHERE sku = ANY($1::text[]) AND partition = $2 AND parking <> '';

-- name: levels
SELECT sku, on_hand, reserved, allocated, quarantined, is_retired FROM stock
WHERE partition = $1 AND ($2::text[] IS NULL OR sku = ANY($2::text[]));

-- name: load_holds
SELECT h.order_id, h.line, h.sku, h.quantity, h.state, h.expires_at_ms, h.buyer, h.cart
FROM unnest($1::uuid[], $2::integer[], $3::text[]) AS k (order_id, line, sku)
JOIN holds h USING (order_id, line, sku);

-- name: load_carts
-- Of carts and SKUs that belong to different lines too: one look at each week for all of them costs less than one for each.
-- "state <= 0" is held, in the words of the index for carts alone.
SELECT order_id, line, sku, quantity, state, expires_at_ms, buyer, cart
FROM holds
WHERE cart = ANY($1::text[]) AND sku = ANY($2::text[]) AND state <= 0;

-- name: load_purchases
SELECT p.sku, p.customer_id, p.units
FROM unnest($1::text[], $2::text[]) AS k (sku, customer_id)
JOIN purchases p USING (sku, customer_id);

-- name: load_commands
SELECT command_id, sku, kind, quantity, quarantined, note
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (id, command_id, sku)
JOIN movements USING (id, command_id, sku);

-- name: load_due
SELECT order_id, line, sku, quantity, state, expires_at_ms, buyer, cart
FROM holds
WHERE partition = $1 AND state = 0 AND expires_at_ms <= $2
ORDER BY expires_at_ms, order_id, line, sku COLLATE "C"
LIMIT $3;

-- name: earliest_expiry
SELECT min(expires_at_ms) FROM holds WHERE partition = $1 AND state = 0 AND expires_at_ms > $2;

-- name: save
-- Levels change by differences, so that the CHECK of `stock` also catches a memory that went wrong.
inserted_holds AS (
    INSERT INTO holds (order_id, line, sku, partition, quantity, state, expires_at_ms, buyer, cart)
    SELECT n.order_id, n.line, n.sku, n.partition, n.quantity, n.state, n.expires_at_ms, n.buyer, n.cart
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::integer[], $14::integer[], $15::smallint[],
        $16::bigint[], $17::text[], $18::text[])
        AS n (order_id, line, sku, partition, quantity, state, expires_at_ms, buyer, cart), guard
),
updated_holds AS (
    INSERT INTO holds (order_id, line, sku, partition, quantity, state, expires_at_ms, buyer, cart)
    SELECT c.order_id, c.line, c.sku, h.partition, h.quantity, c.state, h.expires_at_ms, h.buyer, h.cart
    FROM unnest($19::uuid[], $20::integer[], $21::text[], $22::smallint[]) AS c (order_id, line, sku, state), guard,
        LATERAL (
            SELECT partition, quantity, expires_at_ms, buyer, cart FROM holds
            WHERE order_id = c.order_id AND order_id BETWEEN {first_id} AND {last_id}
                AND line = c.line AND sku = c.sku OFFSET 0
        ) AS h
    ON CONFLICT (order_id, line, sku) DO UPDATE SET state = excluded.state
),
inserted_stock AS (
    INSERT INTO stock (sku, partition, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended,
        is_retired, parking)
    SELECT n.sku, n.partition, n.on_hand, n.reserved, n.allocated, n.quarantined, n.purchase_limit, n.is_suspended,
        n.is_retired, n.parking
    FROM unnest($23::text[], $24::integer[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[],
        $29::bigint[], $30::boolean[], $31::boolean[], $32::text[])
        AS n (sku, partition, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended, is_retired,
            parking), guard
),
updated_stock AS (
    INSERT INTO stock (sku, partition, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended,
        is_retired, parking)
    SELECT c.sku, s.partition, s.on_hand + c.on_hand, s.reserved + c.reserved, s.allocated + c.allocated,
        s.quarantined + c.quarantined, c.purchase_limit, c.is_suspended, c.is_retired, c.parking
    FROM unnest($33::text[], $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[], $38::bigint[],
        $39::boolean[], $40::boolean[], $41::text[])
        AS c (sku, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended, is_retired, parking), guard,
        LATERAL (
            SELECT partition, on_hand, reserved, allocated, quarantined FROM stock WHERE sku = c.sku OFFSET 0
        ) AS s
    ON CONFLICT (sku) DO UPDATE
    SET on_hand = excluded.on_hand, reserved = excluded.reserved, allocated = excluded.allocated,
        quarantined = excluded.quarantined, purchase_limit = excluded.purchase_limit,
        is_suspended = excluded.is_suspended, is_retired = excluded.is_retired,
        parking = excluded.parking
),
inserted_movements AS (
    INSERT INTO movements (id, command_id, sku, partition, kind, quantity, quarantined, order_id, line, note, at_ms)
    SELECT n.id, n.command_id, n.sku, n.partition, n.kind, n.quantity, n.quarantined, n.order_id, n.line, n.note,
        n.at_ms
    FROM unnest($42::uuid[], $43::text[], $44::text[], $45::integer[], $46::text[], $47::bigint[], $48::bigint[],
        $49::uuid[], $50::integer[], $51::text[], $52::bigint[])
        AS n (id, command_id, sku, partition, kind, quantity, quarantined, order_id, line, note, at_ms), guard
),
counted_purchases AS (
    INSERT INTO purchases AS p (sku, customer_id, partition, units)
    SELECT n.sku, n.customer_id, n.partition, n.units
    FROM unnest($53::text[], $54::text[], $55::integer[], $56::bigint[]) AS n (sku, customer_id, partition, units), guard
    WHERE n.units > 0
    ON CONFLICT (sku, customer_id) DO UPDATE SET units = p.units + excluded.units
),
given_back_purchases AS (
    INSERT INTO purchases (sku, customer_id, partition, units)
    SELECT n.sku, n.customer_id, p.partition, p.units + n.units
    FROM unnest($53::text[], $54::text[], $56::bigint[]) AS n (sku, customer_id, units), guard,
        LATERAL (
            SELECT partition, units FROM purchases WHERE sku = n.sku AND customer_id = n.customer_id OFFSET 0
        ) AS p
    WHERE n.units < 0
    ON CONFLICT (sku, customer_id) DO UPDATE SET units = excluded.units
)
