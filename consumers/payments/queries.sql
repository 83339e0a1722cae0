-- name: load_payments
SELECT order_id, state, amount_minor, currency, customer_id, payment_token, authorization_id, order_over, updated_at_ms
FROM payments WHERE order_id = ANY($1::uuid[]);

-- name: load_pending
SELECT a.kind, p.order_id, p.amount_minor, p.currency, p.customer_id, p.payment_token, p.authorization_id
FROM payment_attempts a JOIN payments p USING (order_id)
WHERE a.partition = $1 AND a.result = 'pending'
ORDER BY a.started_at_ms, a.operation_id;

-- name: save
begun AS (
    INSERT INTO payments (order_id, partition, state, amount_minor, currency, customer_id, payment_token,
        authorization_id, order_over, updated_at_ms)
    SELECT n.order_id, n.partition, n.state, n.amount_minor, n.currency, n.customer_id, n.payment_token,
        n.authorization_id, n.order_over, n.updated_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::bigint[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::boolean[], $19::bigint[])
        AS n (order_id, partition, state, amount_minor, currency, customer_id, payment_token, authorization_id,
            order_over, updated_at_ms), held
),
went_on AS (
    UPDATE payments p
    SET state = c.state, authorization_id = c.authorization_id, order_over = c.order_over,
        updated_at_ms = c.updated_at_ms
    FROM unnest($20::uuid[], $21::text[], $22::text[], $23::boolean[], $24::bigint[])
        AS c (order_id, state, authorization_id, order_over, updated_at_ms), held
    WHERE p.order_id = c.order_id
),
asked AS (
    INSERT INTO payment_attempts (operation_id, order_id, partition, kind, result, started_at_ms)
    SELECT n.operation_id, n.order_id, n.partition, n.kind, n.result, n.started_at_ms
    FROM unnest($25::text[], $26::uuid[], $27::integer[], $28::text[], $29::text[], $30::bigint[])
        AS n (operation_id, order_id, partition, kind, result, started_at_ms), held
),
answered AS (
    UPDATE payment_attempts a SET result = c.result
    FROM unnest($31::text[], $32::text[]) AS c (operation_id, result), held
    WHERE a.order_id = left(c.operation_id, 36)::uuid AND a.operation_id = c.operation_id
)
