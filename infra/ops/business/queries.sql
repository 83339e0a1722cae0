-- name: waiting
-- Every state in which an order, its money or its goods wait for something, with the longest wait. Ages are the rows' own.
SELECT 'order' AS axis, state, count(*) AS count, min(updated_at_ms) AS oldest_ms
FROM orders WHERE is_open AND state IN ('pending', 'reserved', 'committing', 'placed') GROUP BY state
UNION ALL
SELECT 'payment', state, count(*), min(updated_at_ms)
FROM payments WHERE state IN ('requires_action', 'lapsed', 'void_failed', 'refund_failed') GROUP BY state
UNION ALL
SELECT 'fulfilment', state, count(*), min(updated_at_ms) FROM fulfilments WHERE waits_for <> '' GROUP BY state
ORDER BY axis, oldest_ms;

-- name: past_deadline
SELECT room, count(*) AS count, min(deadline_ms) AS oldest_ms FROM (
    SELECT 'orders' AS room, deadline_ms FROM orders WHERE deadline_ms < $1
    UNION ALL SELECT 'payments', deadline_ms FROM payments WHERE deadline_ms < $1
    UNION ALL SELECT 'fulfilment', deadline_ms FROM fulfilments WHERE deadline_ms < $1
) AS due GROUP BY room ORDER BY room;

-- name: holds
SELECT count(*) FILTER (WHERE expires_at_ms >= $1) AS expiring, count(*) FILTER (WHERE expires_at_ms < $1) AS expired
FROM holds WHERE state = 0 AND expires_at_ms < $2;

-- name: outbox
SELECT room, count(*) AS blobs FROM outbox GROUP BY room ORDER BY room;

-- name: attempts
SELECT kind, count(*) AS count, min(started_at_ms) AS oldest_ms
FROM payment_attempts WHERE result = 'pending' GROUP BY kind ORDER BY kind;

-- name: parked_webhooks
SELECT count(*) FROM webhook_deliveries WHERE parked_because IS NOT NULL;
