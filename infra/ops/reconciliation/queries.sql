-- name: orders
SELECT order_id::text AS order_id FROM orders WHERE order_id = ANY($1::uuid[]);

-- name: dropped
SELECT from_ms, until_ms FROM dropped_weeks;

-- name: owners
-- No index has them by authorisation: this is only for what the processor has under an order that does not stand for it.
SELECT DISTINCT order_id::text AS order_id, authorization_id FROM payment_attempts
WHERE kind = 'authorize' AND result = 'succeeded' AND authorization_id = ANY($1::text[]);

-- name: make_seen
CREATE TEMPORARY TABLE seen_authorizations (authorization_id text PRIMARY KEY);

-- name: see
INSERT INTO seen_authorizations SELECT DISTINCT unnest($1::text[]) ON CONFLICT DO NOTHING;

-- name: unseen
SELECT a.order_id::text AS order_id, a.operation_id, a.authorization_id FROM payment_attempts a
WHERE a.kind = 'authorize' AND a.result = 'succeeded' AND a.authorization_id <> '' AND a.started_at_ms >= $1
    AND (a.order_id, a.operation_id) > ($2::uuid, $3::text)
    AND NOT EXISTS (SELECT FROM seen_authorizations s WHERE s.authorization_id = a.authorization_id)
ORDER BY a.order_id, a.operation_id LIMIT $4;

-- name: decided
SELECT partition, next_offsets[1] AS next_offset FROM claims WHERE room = 'payments';

-- name: begin
INSERT INTO payment_orphans (operation_id, order_id, authorization_id, kind, amount_minor, currency, why)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- name: finish
UPDATE payment_orphans SET result = $2, reason = $3, finished_at = now() WHERE operation_id = $1;
