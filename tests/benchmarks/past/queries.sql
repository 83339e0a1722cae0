-- name: past
-- Past holds: committed, hence no longer due, each of an order of its own, ids rising with their time over the $5 seconds
-- up to an hour ago.
INSERT INTO holds (order_id, line, sku, partition, quantity, state, expires_at_ms)
SELECT uuidv7(make_interval(secs => -3600 - $5::float8 * ($2::bigint - n) / $2::bigint)), 1, s.sku, s.partition, 1, 1, 0
FROM generate_series($1::bigint, $1::bigint + $3::bigint - 1) AS n
JOIN stock s ON s.sku = 'SKU-' || lpad((n % $4::bigint)::text, 7, '0')
ORDER BY n;

-- name: allocated
UPDATE stock s SET allocated = h.units
FROM (SELECT sku, sum(quantity) AS units FROM holds WHERE state = 1 GROUP BY sku) AS h
WHERE h.sku = s.sku;
