-- name: load_orders
SELECT order_id, state, reason, customer_id, payment_token, currency, terms, line_count, amount_minor,
    lines::text AS lines, deadline_ms, updated_at_ms
FROM orders WHERE order_id = ANY($1::uuid[]);

-- name: dated_later
-- The latest first: where there are too many, no order stands behind the first one.
SELECT order_id FROM orders WHERE partition = $1 AND order_id > $2::uuid ORDER BY order_id DESC LIMIT $3;

-- name: load_due
SELECT order_id, state, reason, customer_id, payment_token, currency, terms, line_count, amount_minor,
    lines::text AS lines, deadline_ms, updated_at_ms
FROM orders WHERE partition = $1 AND deadline_ms <= $2
ORDER BY deadline_ms, order_id
LIMIT $3;

-- name: earliest_deadline
SELECT min(deadline_ms) FROM orders WHERE partition = $1 AND deadline_ms > $2;

-- name: save
-- What inventory or payments has not decided as the event says raises: nothing of the batch is applied (origins/lines.py and
-- origins/money.py have the same). The states of a hold are its numbers: committed, returned, shipped.
confirmed_lines AS MATERIALIZED (
    SELECT require_confirmed(count(*), cardinality($33::uuid[])) AS all_of_them
    FROM unnest($33::uuid[], $34::integer[], $35::text[], $36::integer[], $37::smallint[])
        AS e (order_id, line, sku, quantity, is_committed), guard,
        LATERAL (
            SELECT FROM holds h
            WHERE h.order_id = e.order_id AND h.order_id BETWEEN {first_id} AND {last_id}
                AND h.line = e.line AND h.sku = e.sku AND h.quantity = e.quantity
                AND (e.is_committed = 0 OR h.state IN (1, 4, 5))
            OFFSET 0
        ) AS h
),
confirmed_money AS MATERIALIZED (
    SELECT require_confirmed(count(*), cardinality($38::uuid[])) AS all_of_them
    FROM unnest($38::uuid[], $39::text[], $40::bigint[], $41::text[], $42::text[])
        AS e (order_id, kind, amount_minor, authorization_id, reference), guard,
        LATERAL (
            SELECT FROM payment_attempts a
            WHERE a.order_id = e.order_id AND a.order_id BETWEEN {first_id} AND {last_id}
                AND CASE e.kind
                    WHEN 'declined' THEN a.kind = 'authorize' AND a.result IN ('declined', 'abandoned')
                        OR a.kind = 'void' AND a.reference = 'unconfirmed' AND a.result IN ('succeeded', 'resolved')
                    ELSE a.kind = e.kind AND a.amount_minor = e.amount_minor AND a.reference = e.reference
                        AND a.authorization_id = e.authorization_id AND a.result IN ('succeeded', 'covered')
                    END
            LIMIT 1
        ) AS a
),
inserted_orders AS (
    INSERT INTO orders (order_id, partition, state, reason, customer_id, payment_token, currency, terms, line_count,
        amount_minor, lines, deadline_ms, updated_at_ms, is_open)
    SELECT n.order_id, n.partition, n.state, n.reason, n.customer_id, n.payment_token, n.currency, n.terms, n.line_count,
        n.amount_minor, n.lines::jsonb, n.deadline_ms, n.updated_at_ms,
        n.state IN ('pending', 'reserved', 'committing', 'placed')
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
        $17::text[], $18::integer[], $19::bigint[], $20::text[], $21::bigint[], $22::bigint[])
        AS n (order_id, partition, state, reason, customer_id, payment_token, currency, terms, line_count, amount_minor,
            lines, deadline_ms, updated_at_ms), guard, confirmed_lines, confirmed_money
),
updated_orders AS (
    INSERT INTO orders (order_id, partition, state, reason, customer_id, payment_token, currency, terms, line_count,
        amount_minor, lines, deadline_ms, updated_at_ms, is_open)
    SELECT c.order_id, o.partition, c.state, c.reason, o.customer_id, c.payment_token, c.currency, o.terms, c.line_count,
        c.amount_minor, c.lines::jsonb, c.deadline_ms, c.updated_at_ms,
        c.state IN ('pending', 'reserved', 'committing', 'placed')
    FROM unnest($23::uuid[], $24::text[], $25::text[], $26::text[], $27::text[], $28::integer[], $29::bigint[],
        $30::text[], $31::bigint[], $32::bigint[])
        AS c (order_id, state, reason, payment_token, currency, line_count, amount_minor, lines, deadline_ms,
            updated_at_ms), guard, confirmed_lines, confirmed_money,
        LATERAL (
            SELECT partition, customer_id, terms FROM orders
            WHERE order_id = c.order_id AND order_id BETWEEN {first_id} AND {last_id} OFFSET 0
        ) AS o
    ON CONFLICT (order_id) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, payment_token = excluded.payment_token,
        currency = excluded.currency, line_count = excluded.line_count, amount_minor = excluded.amount_minor,
        lines = excluded.lines, deadline_ms = excluded.deadline_ms, updated_at_ms = excluded.updated_at_ms,
        is_open = excluded.is_open
)
