-- name: waiting
SELECT (SELECT count(*) FROM outbox) AS outbox,
    (SELECT count(*) FROM payment_attempts WHERE result = 'pending') AS payments_under_way,
    (SELECT count(*) FROM holds WHERE state = 0) AS lines_held,
    (SELECT count(*) FROM purchases) AS purchases,
    (SELECT count(*) FROM claims) AS claims;

-- name: sizes
SELECT name, bytes
FROM (
    SELECT coalesce(p.relname, c.relname)::text AS name, sum(pg_total_relation_size(c.oid))::float8 AS bytes
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
    GROUP BY 1
) AS tables
WHERE name IN ('holds', 'movements', 'orders', 'payments', 'payment_attempts', 'outbox', 'decided_ranges', 'claims', 'stock');
