-- name: load_orders
SELECT order_id, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines::text AS lines,
    shipments::text AS shipments, returns::text AS returns, blocked, gone_minor, waits_for,
    deadline_ms, updated_at_ms
FROM fulfilments WHERE order_id = ANY($1::uuid[]);

-- name: load_lapsed
-- That a payment is authorised is news for these alone, and there are next to none: the index for them is empty.
SELECT order_id, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines::text AS lines,
    shipments::text AS shipments, returns::text AS returns, blocked, gone_minor, waits_for,
    deadline_ms, updated_at_ms
FROM fulfilments WHERE is_lapsed AND order_id = ANY($1::uuid[]);

-- name: dated_later
-- The latest first: where there are too many, no order stands behind the first one.
SELECT order_id FROM fulfilments WHERE partition = $1 AND order_id > $2::uuid ORDER BY order_id DESC LIMIT $3;

-- name: load_due
SELECT order_id, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines::text AS lines,
    shipments::text AS shipments, returns::text AS returns, blocked, gone_minor, waits_for,
    deadline_ms, updated_at_ms
FROM fulfilments
WHERE partition = $1 AND deadline_ms <= $2
ORDER BY deadline_ms, order_id
LIMIT $3;

-- name: earliest_deadline
SELECT min(deadline_ms) FROM fulfilments WHERE partition = $1 AND deadline_ms > $2;

-- name: save
-- What orders has not decided as the event says raises: nothing of the batch is applied (origins/confirmations.py has the same).
confirmed_orders AS MATERIALIZED (
    SELECT require_confirmed(count(*), cardinality($39::uuid[])) AS all_of_them
    FROM unnest($39::uuid[], $40::bigint[], $41::text[], $42::text[], $43::text[], $44::smallint[])
        AS e (order_id, amount_minor, currency, lines, terms, is_placed), guard,
        LATERAL (
            SELECT FROM orders o
            WHERE o.order_id = e.order_id AND o.order_id BETWEEN {first_id} AND {last_id}
                AND o.amount_minor = e.amount_minor AND o.currency = e.currency
                AND o.lines @> e.lines::jsonb
                AND (NOT (o.lines @? '$.*.discount_minor' OR o.lines @? '$.*.tax_minor')
                    OR NOT EXISTS (
                        SELECT FROM jsonb_each(e.lines::jsonb) AS l
                        WHERE o.lines -> l.key -> 'discount_minor' IS DISTINCT FROM l.value -> 'discount_minor'
                            OR o.lines -> l.key -> 'tax_minor' IS DISTINCT FROM l.value -> 'tax_minor'
                    ))
                AND (e.is_placed = 0 OR o.terms = e.terms)
                AND (o.state IN ('paid', 'shipped', 'delivered', 'returned', 'cancelled')
                    OR e.is_placed = 1 AND o.state = 'placed')
            OFFSET 0
        ) AS o
),
inserted_fulfilments AS (
    INSERT INTO fulfilments (order_id, partition, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines,
        shipments, returns, blocked, gone_minor, waits_for, deadline_ms, updated_at_ms)
    SELECT n.order_id, n.partition, n.state, n.captures_at_shipping, n.is_lapsed, n.is_returned, n.ship_by_ms,
        n.lines::jsonb, n.shipments::jsonb, n.returns::jsonb, n.blocked, n.gone_minor, n.waits_for,
        n.deadline_ms, n.updated_at_ms
    FROM unnest($10::uuid[], $11::integer[], $12::text[], $13::boolean[], $14::boolean[], $15::boolean[], $16::bigint[],
        $17::text[], $18::text[], $19::text[], $20::text[], $21::bigint[], $22::text[], $23::bigint[], $24::bigint[])
        AS n (order_id, partition, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines, shipments,
            returns, blocked, gone_minor, waits_for, deadline_ms, updated_at_ms), guard, confirmed_orders
),
updated_fulfilments AS (
    INSERT INTO fulfilments (order_id, partition, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines,
        shipments, returns, blocked, gone_minor, waits_for, deadline_ms, updated_at_ms)
    SELECT c.order_id, f.partition, c.state, c.captures_at_shipping, c.is_lapsed, c.is_returned, c.ship_by_ms,
        c.lines::jsonb, c.shipments::jsonb, c.returns::jsonb, c.blocked, c.gone_minor, c.waits_for,
        c.deadline_ms, c.updated_at_ms
    FROM unnest($25::uuid[], $26::text[], $27::boolean[], $28::boolean[], $29::boolean[], $30::bigint[], $31::text[],
        $32::text[], $33::text[], $34::text[], $35::bigint[], $36::text[], $37::bigint[], $38::bigint[])
        AS c (order_id, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines, shipments,
            returns, blocked, gone_minor, waits_for, deadline_ms, updated_at_ms), guard, confirmed_orders,
        LATERAL (
            SELECT partition FROM fulfilments WHERE order_id = c.order_id AND order_id BETWEEN {first_id} AND {last_id} OFFSET 0
        ) AS f
    ON CONFLICT (order_id) DO UPDATE
    SET state = excluded.state, captures_at_shipping = excluded.captures_at_shipping,
        is_lapsed = excluded.is_lapsed, is_returned = excluded.is_returned, ship_by_ms = excluded.ship_by_ms,
        lines = excluded.lines, shipments = excluded.shipments, returns = excluded.returns,
        blocked = excluded.blocked, gone_minor = excluded.gone_minor,
        waits_for = excluded.waits_for, deadline_ms = excluded.deadline_ms, updated_at_ms = excluded.updated_at_ms
)
