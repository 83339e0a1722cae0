-- name: waiting_orders
-- An order that waits for its money is listed with its payment, one that waits for its goods by its fulfilment.
WITH waiting AS (
    SELECT o.order_id, 'order' AS axis, o.state,
        CASE o.state
            WHEN 'pending' THEN format('lines: %s of %s answered', (SELECT count(*) FROM jsonb_object_keys(o.lines)), o.line_count)
            WHEN 'reserved' THEN 'the payment to be authorised'
            WHEN 'committing' THEN 'inventory to allocate every line'
            ELSE 'the payment to be captured'
        END AS waits_for,
        o.updated_at_ms AS since_ms, o.deadline_ms,
        CASE o.state WHEN 'pending' THEN ARRAY(
            SELECT line FROM generate_series(1, o.line_count) AS line WHERE NOT o.lines ? line::text
        ) ELSE '{}' END AS missing
    FROM orders o
    WHERE o.is_open AND (
        o.state IN ('pending', 'reserved', 'committing')
        OR (o.state = 'placed' AND o.terms NOT LIKE '%capture_at_shipping%')
    )
    UNION ALL
    SELECT p.order_id, 'payment', p.state,
        CASE p.state
            WHEN 'requires_action' THEN 'the customer to confirm the payment'
            WHEN 'lapsed' THEN 'a person: what was set aside is free again'
            WHEN 'void_failed' THEN 'a person: what was set aside cannot be freed'
            WHEN 'refund_failed' THEN 'a person: what is owed cannot be paid back'
            ELSE format('the processor to %s', a.kind)
        END,
        coalesce(a.started_at_ms, p.updated_at_ms), p.deadline_ms, '{}'
    FROM payments p
    LEFT JOIN LATERAL (
        SELECT kind, started_at_ms FROM payment_attempts a
        WHERE a.order_id = p.order_id AND a.result = 'pending' ORDER BY started_at_ms LIMIT 1
    ) a ON true
    WHERE p.state IN ('requires_action', 'lapsed', 'void_failed', 'refund_failed') OR a.kind IS NOT NULL
    UNION ALL
    SELECT f.order_id, 'fulfilment', f.state, f.waits_for, f.updated_at_ms, f.deadline_ms, '{}'
    FROM fulfilments f WHERE f.waits_for <> ''
)
SELECT order_id, axis, state, waits_for, since_ms, deadline_ms, missing FROM waiting
WHERE since_ms <= $1 AND ($2::uuid IS NULL OR order_id = $2)
ORDER BY since_ms, order_id, axis LIMIT $3;

-- name: went_back
SELECT room, partition, next_offsets[1], reread_up_to[1], (extract(epoch FROM went_back_at) * 1000)::bigint AS since_ms
FROM claims
WHERE went_back_at IS NOT NULL
    AND ((extract(epoch FROM went_back_at) * 1000)::bigint >= $1 OR next_offsets[1] < reread_up_to[1])
ORDER BY went_back_at, room, partition;
