-- name: load_orders
SELECT order_id, state, amount_minor, currency, customer_id, payment_token, authorization_id, order_over, all_shipped,
    at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms, due,
    external, resolving, updated_at_ms
FROM payments WHERE order_id = ANY($1::uuid[]);

-- name: dated_later
-- The latest first: where there are too many, no order stands behind the first one.
SELECT order_id FROM payments WHERE partition = $1 AND order_id > $2::uuid ORDER BY order_id DESC LIMIT $3;

-- name: load_due
SELECT order_id, state, amount_minor, currency, customer_id, payment_token, authorization_id, order_over, all_shipped,
    at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms, due,
    external, resolving, updated_at_ms
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
    a.kind <> 'capture' OR a.amount_minor = p.authorized_minor - p.captured_minor - p.voided_minor AS is_last,
    CASE a.reference WHEN 'unconfirmed' THEN coalesce((
        SELECT u.operation_id FROM payment_attempts u WHERE u.order_id = a.order_id AND u.kind = 'authorize'
        ORDER BY length(u.operation_id) DESC, u.operation_id DESC LIMIT 1  -- their number is their end
    ), '') ELSE '' END AS unconfirmed_id
FROM payment_attempts a JOIN payments p USING (order_id)
WHERE a.partition = $1 AND a.result = 'pending' AND a.operation_id <> ALL($3::text[])
ORDER BY a.started_at_ms, a.operation_id LIMIT $2;

-- name: save
-- What orders has not decided as the event says raises: nothing of the batch is applied (origins/confirmations.py has the same).
confirmed AS MATERIALIZED (
    SELECT require_confirmed(count(*), cardinality($60::uuid[])) AS all_of_them
    FROM unnest($60::uuid[], $61::bigint[], $62::text[], $63::text[], $64::text[], $65::text[], $66::smallint[])
        AS e (order_id, amount_minor, currency, customer_id, payment_token, terms, is_placed), guard,
        LATERAL (
            SELECT FROM orders o
            WHERE o.order_id = e.order_id AND o.order_id BETWEEN {first_id} AND {last_id}
                AND o.amount_minor = e.amount_minor AND o.currency = e.currency
                AND CASE e.is_placed
                    WHEN 1 THEN o.terms = e.terms
                        AND o.state IN ('placed', 'paid', 'shipped', 'delivered', 'returned', 'cancelled')
                    ELSE o.customer_id = e.customer_id AND o.payment_token = e.payment_token AND o.state <> 'pending'
                    END
            OFFSET 0
        ) AS o
),
inserted_payments AS (
    INSERT INTO payments (order_id, partition, state, amount_minor, currency, customer_id, payment_token,
        authorization_id, order_over, all_shipped, at_shipping, authorized_minor, captured_minor, voided_minor,
        refunded_minor, expires_at_ms, deadline_ms, due, external, resolving, updated_at_ms)
    SELECT n.order_id, n.partition, n.state, n.amount_minor, n.currency, n.customer_id, n.payment_token,
        n.authorization_id, n.order_over, n.all_shipped, n.at_shipping, n.authorized_minor, n.captured_minor,
        n.voided_minor, n.refunded_minor, n.expires_at_ms, n.deadline_ms, n.due, n.external, n.resolving,
        n.updated_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::bigint[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::boolean[], $19::boolean[], $20::boolean[], $21::bigint[], $22::bigint[], $23::bigint[],
        $24::bigint[], $25::bigint[], $26::bigint[], $27::text[], $28::text[], $29::text[], $30::bigint[])
        AS n (order_id, partition, state, amount_minor, currency, customer_id, payment_token, authorization_id,
            order_over, all_shipped, at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor,
            expires_at_ms, deadline_ms, due, external, resolving, updated_at_ms), guard, confirmed
),
updated_payments AS (
    INSERT INTO payments (order_id, partition, state, amount_minor, currency, customer_id, payment_token,
        authorization_id, order_over, all_shipped, at_shipping, authorized_minor, captured_minor, voided_minor,
        refunded_minor, expires_at_ms, deadline_ms, due, external, resolving, updated_at_ms)
    SELECT c.order_id, p.partition, c.state, p.amount_minor, p.currency, p.customer_id, p.payment_token,
        c.authorization_id, c.order_over, c.all_shipped, c.at_shipping, c.authorized_minor, c.captured_minor,
        c.voided_minor, c.refunded_minor, c.expires_at_ms, c.deadline_ms, c.due, c.external, c.resolving,
        c.updated_at_ms
    FROM unnest($31::uuid[], $32::text[], $33::text[], $34::boolean[], $35::boolean[], $36::boolean[], $37::bigint[],
        $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[], $43::text[],
        $44::text[], $45::text[], $46::bigint[])
        AS c (order_id, state, authorization_id, order_over, all_shipped, at_shipping, authorized_minor,
            captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms, due, external, resolving,
            updated_at_ms), guard, confirmed,
        LATERAL (
            SELECT partition, amount_minor, currency, customer_id, payment_token FROM payments
            WHERE order_id = c.order_id AND order_id BETWEEN {first_id} AND {last_id} OFFSET 0
        ) AS p
    ON CONFLICT (order_id) DO UPDATE
    SET state = excluded.state, authorization_id = excluded.authorization_id, order_over = excluded.order_over,
        all_shipped = excluded.all_shipped, at_shipping = excluded.at_shipping,
        authorized_minor = excluded.authorized_minor, captured_minor = excluded.captured_minor,
        voided_minor = excluded.voided_minor, refunded_minor = excluded.refunded_minor,
        expires_at_ms = excluded.expires_at_ms, deadline_ms = excluded.deadline_ms, due = excluded.due,
        external = excluded.external, resolving = excluded.resolving, updated_at_ms = excluded.updated_at_ms
),
inserted_attempts AS (
    INSERT INTO payment_attempts (operation_id, order_id, partition, kind, amount_minor, reference, authorization_id,
        result, started_at_ms)
    SELECT n.operation_id, n.order_id, n.partition, n.kind, n.amount_minor, n.reference, n.authorization_id, n.result,
        n.started_at_ms
    FROM unnest($47::text[], $48::uuid[], $49::integer[], $50::text[], $51::bigint[], $52::text[], $53::text[],
        $54::text[], $55::bigint[])
        AS n (operation_id, order_id, partition, kind, amount_minor, reference, authorization_id, result,
            started_at_ms), guard, confirmed
),
resolved_attempts AS (
    INSERT INTO payment_attempts (operation_id, order_id, partition, kind, amount_minor, reference, authorization_id,
        result, started_at_ms)
    SELECT c.operation_id, a.order_id, a.partition, a.kind, c.amount_minor, a.reference, c.authorization_id, c.result,
        a.started_at_ms
    FROM unnest($56::text[], $57::bigint[], $58::text[], $59::text[])
        AS c (operation_id, amount_minor, authorization_id, result), guard,
        LATERAL (
            SELECT order_id, partition, kind, reference, started_at_ms FROM payment_attempts
            WHERE order_id = left(c.operation_id, 36)::uuid AND order_id BETWEEN {first_id} AND {last_id}
                AND operation_id = c.operation_id OFFSET 0
        ) AS a
    ON CONFLICT (order_id, operation_id) DO UPDATE
    SET amount_minor = excluded.amount_minor, authorization_id = excluded.authorization_id, result = excluded.result
)
