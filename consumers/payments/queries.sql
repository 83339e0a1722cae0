-- name: load_payments
SELECT order_id, state, amount_minor, currency, customer_id, payment_token, authorization_id, order_over, all_shipped,
    at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms, due,
    updated_at_ms
FROM payments WHERE order_id = ANY($1::uuid[]);

-- name: load_due
SELECT order_id, state, amount_minor, currency, customer_id, payment_token, authorization_id, order_over, all_shipped,
    at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms, due,
    updated_at_ms
FROM payments WHERE partition = $1 AND deadline_ms <= $2
ORDER BY deadline_ms, order_id
LIMIT $3;

-- name: earliest_deadline
SELECT min(deadline_ms) FROM payments WHERE partition = $1 AND deadline_ms > $2;

-- name: load_attempts
SELECT operation_id, order_id, kind, amount_minor, reference, authorization_id, result, started_at_ms
FROM payment_attempts WHERE order_id = ANY($1::uuid[])
ORDER BY order_id, started_at_ms, operation_id;

-- name: load_pending
-- Nothing else of a payment moves while a capture is under way: what was the last then still is.
SELECT a.operation_id, a.order_id, a.kind, a.amount_minor, p.currency, p.payment_token, p.customer_id,
    a.authorization_id,
    a.kind <> 'capture' OR a.amount_minor = p.authorized_minor - p.captured_minor - p.voided_minor AS is_last
FROM payment_attempts a JOIN payments p USING (order_id)
WHERE a.partition = $1 AND a.result = 'pending'
ORDER BY a.started_at_ms, a.operation_id;

-- name: save
begun AS (
    INSERT INTO payments (order_id, partition, state, amount_minor, currency, customer_id, payment_token,
        authorization_id, order_over, all_shipped, at_shipping, authorized_minor, captured_minor, voided_minor,
        refunded_minor, expires_at_ms, deadline_ms, due, updated_at_ms)
    SELECT n.order_id, n.partition, n.state, n.amount_minor, n.currency, n.customer_id, n.payment_token,
        n.authorization_id, n.order_over, n.all_shipped, n.at_shipping, n.authorized_minor, n.captured_minor,
        n.voided_minor, n.refunded_minor, n.expires_at_ms, n.deadline_ms, n.due, n.updated_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::bigint[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::boolean[], $19::boolean[], $20::boolean[], $21::bigint[], $22::bigint[], $23::bigint[],
        $24::bigint[], $25::bigint[], $26::bigint[], $27::text[], $28::bigint[])
        AS n (order_id, partition, state, amount_minor, currency, customer_id, payment_token, authorization_id,
            order_over, all_shipped, at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor,
            expires_at_ms, deadline_ms, due, updated_at_ms), held
),
went_on AS (
    UPDATE payments p
    SET state = c.state, authorization_id = c.authorization_id, order_over = c.order_over,
        all_shipped = c.all_shipped, at_shipping = c.at_shipping, authorized_minor = c.authorized_minor,
        captured_minor = c.captured_minor, voided_minor = c.voided_minor, refunded_minor = c.refunded_minor,
        expires_at_ms = c.expires_at_ms, deadline_ms = c.deadline_ms, due = c.due, updated_at_ms = c.updated_at_ms
    FROM unnest($29::uuid[], $30::text[], $31::text[], $32::boolean[], $33::boolean[], $34::boolean[], $35::bigint[],
        $36::bigint[], $37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[], $41::text[], $42::bigint[])
        AS c (order_id, state, authorization_id, order_over, all_shipped, at_shipping, authorized_minor,
            captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms, due, updated_at_ms), held
    WHERE p.order_id = c.order_id
),
asked AS (
    INSERT INTO payment_attempts (operation_id, order_id, partition, kind, amount_minor, reference, authorization_id,
        result, started_at_ms)
    SELECT n.operation_id, n.order_id, n.partition, n.kind, n.amount_minor, n.reference, n.authorization_id, n.result,
        n.started_at_ms
    FROM unnest($43::text[], $44::uuid[], $45::integer[], $46::text[], $47::bigint[], $48::text[], $49::text[],
        $50::text[], $51::bigint[])
        AS n (operation_id, order_id, partition, kind, amount_minor, reference, authorization_id, result,
            started_at_ms), held
),
answered AS (
    UPDATE payment_attempts a
    SET amount_minor = c.amount_minor, authorization_id = c.authorization_id, result = c.result
    FROM unnest($52::text[], $53::bigint[], $54::text[], $55::text[])
        AS c (operation_id, amount_minor, authorization_id, result), held
    WHERE a.order_id = left(c.operation_id, 36)::uuid AND a.operation_id = c.operation_id
)
