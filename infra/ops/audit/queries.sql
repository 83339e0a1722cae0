-- name: hold_still
-- Before anything is read: a week that was dropped meanwhile would be missing from a snapshot that is older than that.
LOCK TABLE holds, movements, orders, payments, payment_attempts, fulfilments, stock_balances, dropped_weeks IN ACCESS SHARE MODE;

-- name: dropped
SELECT from_ms, until_ms FROM dropped_weeks ORDER BY from_ms;

-- name: claims
SELECT room, partition, epoch, next_offsets[1], at_ms, batch, cluster_id, topic_ids[1] FROM claims;

-- name: generations
SELECT topic, partitions, starts, switched_at IS NOT NULL FROM partitionings ORDER BY topic, generation;

-- name: now_ms
SELECT (extract(epoch FROM now()) * 1000)::bigint;

-- name: outbox
SELECT room, partition, batch, records FROM outbox ORDER BY room, partition, batch;

-- name: ranges
SELECT ranges FROM decided_ranges WHERE room = $1 AND partition = $2 ORDER BY batch;

-- name: taken_over
SELECT room, partition, next_offset, rules_version FROM order_commands_decided;

-- name: stock
SELECT sku, partition, on_hand, reserved, allocated, quarantined, purchase_limit, is_suspended, is_retired, parking
FROM stock WHERE partition = $1;

-- name: holds
SELECT order_id, line, sku, partition, quantity, state, expires_at_ms, buyer, cart FROM holds WHERE partition = $1;

-- name: movements
SELECT id, command_id, sku, partition, kind, quantity, quarantined, order_id, line, note, at_ms
FROM movements WHERE partition = $1;

-- name: purchases
-- A count that went back to nothing means what no row means.
SELECT sku, customer_id, partition, units FROM purchases WHERE partition = $1 AND units <> 0;

-- name: carried
SELECT sku, customer_id, carried FROM purchases WHERE partition = $1 AND carried <> 0;

-- name: balances
SELECT b.sku, b.on_hand, b.quarantined, b.brought, b.shipped
FROM stock_balances b JOIN stock s USING (sku) WHERE s.partition = $1;

-- name: orders
SELECT order_id, partition, state, reason, customer_id, payment_token, currency, terms, line_count, amount_minor,
    lines::text, deadline_ms, updated_at_ms
FROM orders WHERE partition = $1;

-- name: payments
SELECT order_id, partition, state, amount_minor, currency, customer_id, payment_token, authorization_id, order_over,
    all_shipped, at_shipping, authorized_minor, captured_minor, voided_minor, refunded_minor, expires_at_ms, deadline_ms,
    due, external, resolving, updated_at_ms
FROM payments WHERE partition = $1;

-- name: attempts
SELECT operation_id, order_id, partition, kind, amount_minor, reference, authorization_id, result, started_at_ms
FROM payment_attempts WHERE partition = $1;

-- name: fulfilments
SELECT order_id, partition, state, captures_at_shipping, is_lapsed, is_returned, ship_by_ms, lines::text, shipments::text,
    returns::text, blocked, gone_minor, waits_for, deadline_ms, updated_at_ms
FROM fulfilments WHERE partition = $1;

-- name: live_holds
-- States 0, 1 and 5 are held, committed and shipped (consumers/inventory/state.py).
SELECT h.order_id, h.line, h.sku, h.partition, h.quantity, h.state, h.expires_at_ms, h.buyer, h.cart
FROM holds h JOIN orders o USING (order_id)
WHERE o.partition = $1 AND h.state IN (0, 1, 5);

-- name: came_back
-- State 4 is returned; only a shipment shows whether the units had been away.
SELECT h.order_id, h.line, h.sku, h.partition, h.quantity, h.state, h.expires_at_ms, h.buyer, h.cart
FROM holds h JOIN orders o USING (order_id)
JOIN movements v ON v.id = h.order_id AND v.command_id = h.order_id || '/' || h.line || '/shipment' AND v.sku = h.sku
WHERE o.partition = $1 AND h.state = 4;

-- name: holds_without_order
SELECT h.order_id, h.line, h.sku, h.partition, h.quantity, h.state, h.expires_at_ms, h.buyer, h.cart
FROM holds h
WHERE h.state IN (0, 1, 5) AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = h.order_id);


-- name: sides
-- States 0 and 1 are held and committed. What was never received has no row of its own, but may have others.
SELECT sku,
    coalesce(l.on_hand, 0), coalesce(l.reserved, 0), coalesce(l.allocated, 0), coalesce(l.quarantined, 0),
    coalesce(m.on_hand, 0), coalesce(h.reserved, 0), coalesce(h.allocated, 0), coalesce(m.quarantined, 0)
FROM stock l
FULL JOIN (
    SELECT sku, sum(on_hand)::bigint AS on_hand, sum(quarantined)::bigint AS quarantined
    FROM (
        SELECT sku, quantity AS on_hand, quarantined FROM movements UNION ALL
        SELECT sku, on_hand, quarantined FROM stock_balances
    ) AS moved
    WHERE $1::text[] IS NULL OR sku = ANY($1) GROUP BY sku
) m USING (sku)
LEFT JOIN (
    SELECT sku, sum(quantity) FILTER (WHERE state = 0) AS reserved, sum(quantity) FILTER (WHERE state = 1) AS allocated
    FROM holds WHERE state IN (0, 1) AND ($1::text[] IS NULL OR sku = ANY($1)) GROUP BY sku
) h USING (sku)
WHERE $1::text[] IS NULL OR sku = ANY($1)
ORDER BY sku;

-- name: deliveries
SELECT subscription_id, notification_id, body, next_attempt_at_ms, parked_because IS NOT NULL FROM webhook_deliveries;
