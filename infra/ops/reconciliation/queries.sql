-- name: known
-- An order without a payment is known all the same; its authorisations are those that an attempt has brought.
SELECT k.order_id::text AS order_id,
    coalesce(array_agg(DISTINCT a.authorization_id) FILTER (WHERE a.authorization_id <> ''), '{}') AS authorization_ids,
    coalesce(bool_or(a.kind = 'authorize' AND a.result = 'pending'), false) AS is_asking
FROM (
    SELECT order_id FROM orders WHERE order_id = ANY($1::uuid[])
    UNION SELECT order_id FROM payments WHERE order_id = ANY($1::uuid[])
) k LEFT JOIN payment_attempts a USING (order_id)
GROUP BY k.order_id;

-- name: begin
INSERT INTO payment_orphans (operation_id, order_id, authorization_id, kind, amount_minor, currency, why)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- name: finish
UPDATE payment_orphans SET result = $2, reason = $3, finished_at = now() WHERE operation_id = $1;
