-- name: load_orders
SELECT order_id, state, reason, customer_id, payment_token, currency, line_count, amount_minor, authorized,
    lines::text AS lines, updated_at_ms
FROM orders WHERE order_id = ANY($1::uuid[]);

-- name: save
begun AS (
    INSERT INTO orders (order_id, partition, state, reason, customer_id, payment_token, currency, line_count,
        amount_minor, authorized, lines, updated_at_ms)
    SELECT n.order_id, n.partition, n.state, n.reason, n.customer_id, n.payment_token, n.currency, n.line_count,
        n.amount_minor, n.authorized, n.lines::jsonb, n.updated_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
        $17::integer[], $18::bigint[], $19::boolean[], $20::text[], $21::bigint[])
        AS n (order_id, partition, state, reason, customer_id, payment_token, currency, line_count, amount_minor,
            authorized, lines, updated_at_ms), held
),
went_on AS (
    UPDATE orders o
    SET state = c.state, reason = c.reason, payment_token = c.payment_token, currency = c.currency,
        amount_minor = c.amount_minor, authorized = c.authorized, lines = c.lines::jsonb, updated_at_ms = c.updated_at_ms
    FROM unnest($22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[], $27::bigint[], $28::boolean[],
        $29::text[], $30::bigint[])
        AS c (order_id, state, reason, payment_token, currency, amount_minor, authorized, lines, updated_at_ms), held
    WHERE o.order_id = c.order_id
)
