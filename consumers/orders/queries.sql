-- name: load_orders
SELECT order_id, state, reason, customer_id, payment_token, currency, terms, line_count, amount_minor,
    lines::text AS lines, updated_at_ms
FROM orders WHERE order_id = ANY($1::uuid[]);

-- name: save
begun AS (
    INSERT INTO orders (order_id, partition, state, reason, customer_id, payment_token, currency, terms, line_count,
        amount_minor, lines, updated_at_ms)
    SELECT n.order_id, n.partition, n.state, n.reason, n.customer_id, n.payment_token, n.currency, n.terms, n.line_count,
        n.amount_minor, n.lines::jsonb, n.updated_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::integer[], $19::bigint[], $20::text[], $21::bigint[])
        AS n (order_id, partition, state, reason, customer_id, payment_token, currency, terms, line_count, amount_minor,
            lines, updated_at_ms), held
),
went_on AS (
    UPDATE orders o
    SET state = c.state, reason = c.reason, payment_token = c.payment_token, currency = c.currency,
        line_count = c.line_count, amount_minor = c.amount_minor, lines = c.lines::jsonb, updated_at_ms = c.updated_at_ms
    FROM unnest($22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[], $27::integer[], $28::bigint[],
        $29::text[], $30::bigint[])
        AS c (order_id, state, reason, payment_token, currency, line_count, amount_minor, lines, updated_at_ms), held
    WHERE o.order_id = c.order_id
)
