-- name: save
-- A repeated notification finds its delivery under way, or was delivered before and is delivered again under the same id.
to_deliver AS (
    INSERT INTO webhook_deliveries (subscription_id, notification_id, partition, body, next_attempt_at_ms)
    SELECT s.subscription_id, n.notification_id, n.partition, n.body, n.at_ms
    FROM unnest($10::text[], $11::integer[], $12::text[], $13::text[], $14::bigint[])
        AS n (notification_id, partition, kind, body, at_ms), guard, webhook_subscriptions s
    WHERE s.disabled_because IS NULL AND (s.kinds = '{}' OR n.kind = ANY(s.kinds))
    ON CONFLICT DO NOTHING
)

-- name: due
-- A subscriber and a partition at a time, each by the index: what waits behind one that is busy or slow is never looked at.
SELECT d.subscription_id, d.notification_id, d.partition, d.body, d.attempts, s.url, s.secret
FROM webhook_subscriptions s
CROSS JOIN unnest($1::integer[]) AS own (partition)
CROSS JOIN LATERAL (
    SELECT w.subscription_id, w.notification_id, w.partition, w.body, w.attempts, w.next_attempt_at_ms
    FROM webhook_deliveries w
    WHERE w.subscription_id = s.subscription_id AND w.partition = own.partition AND w.parked_because IS NULL
        AND w.next_attempt_at_ms <= $2
    ORDER BY w.next_attempt_at_ms LIMIT $4
) d
WHERE s.subscription_id <> ALL($3::text[])
ORDER BY d.next_attempt_at_ms LIMIT $4;

-- name: has_subscribers
SELECT EXISTS (SELECT FROM webhook_subscriptions);

-- name: delivered
DELETE FROM webhook_deliveries WHERE subscription_id = $1 AND notification_id = $2;

-- name: failed
UPDATE webhook_deliveries SET attempts = $3, next_attempt_at_ms = $4, last_error = $5, parked_because = $6
WHERE subscription_id = $1 AND notification_id = $2;

-- name: disable
UPDATE webhook_subscriptions SET disabled_because = $2 WHERE subscription_id = $1;
