-- name: cte
-- The strongest of the row-lock designs: one round trip, one commit, the lock held only for the statement.
WITH taken AS (
    UPDATE stock SET reserved = reserved + $4 WHERE sku = $3 AND on_hand - reserved >= $4 RETURNING sku
),
held AS (
    INSERT INTO holds (order_id, line, sku, quantity, expires_at_ms) SELECT $1, $2, $3, $4, $5 FROM taken
)
INSERT INTO outbox (key, payload)
SELECT $6, CASE WHEN EXISTS (SELECT FROM taken) THEN $7::bytea ELSE $8::bytea END
RETURNING id, payload;

-- name: lock
SELECT on_hand - reserved FROM stock WHERE sku = $1 FOR UPDATE;

-- name: decrement_if_there
UPDATE stock SET reserved = reserved + $2 WHERE sku = $1 AND on_hand - reserved >= $2 RETURNING sku;

-- name: hold_and_say
-- What the transactions do once they know: both rows in one round trip, since the lock is held meanwhile.
WITH held AS (
    INSERT INTO holds (order_id, line, sku, quantity, expires_at_ms) VALUES ($1, $2, $3, $4, $5)
)
INSERT INTO outbox (key, payload) VALUES ($6, $7) RETURNING id, payload;

-- name: take_hold_and_say
WITH taken AS (
    UPDATE stock SET reserved = reserved + $4 WHERE sku = $3
),
held AS (
    INSERT INTO holds (order_id, line, sku, quantity, expires_at_ms) VALUES ($1, $2, $3, $4, $5)
)
INSERT INTO outbox (key, payload) VALUES ($6, $7) RETURNING id, payload;

-- name: refuse
INSERT INTO outbox (key, payload) VALUES ($1, $2) RETURNING id, payload;

-- name: skip_locked
-- One row a unit: buyers of one SKU take different rows, so they do not wait for each other.
WITH free AS (
    SELECT id FROM units WHERE sku = $3 AND order_id IS NULL ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE units u SET order_id = $1 FROM free WHERE u.id = free.id AND (SELECT count(*) FROM free) = $4 RETURNING u.id
),
held AS (
    INSERT INTO holds (order_id, line, sku, quantity, expires_at_ms)
    SELECT $1, $2, $3, $4, $5 WHERE EXISTS (SELECT FROM taken)
)
INSERT INTO outbox (key, payload)
SELECT $6, CASE WHEN EXISTS (SELECT FROM taken) THEN $7::bytea ELSE $8::bytea END
RETURNING id, payload;

-- name: sell_batch
-- All of a batch, its SKUs locked in one order. Too few units break the CHECK of `stock`, an unknown SKU the NOT NULL and a
-- redelivered order the key of `holds`: then nothing has changed.
WITH o AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::bigint[])
        WITH ORDINALITY AS o (order_id, line, sku, quantity, expires_at_ms, n)
),
wanted AS (
    SELECT sku, sum(quantity) AS quantity FROM o GROUP BY sku
),
locked AS (
    SELECT s.sku, w.quantity FROM wanted w JOIN stock s USING (sku) ORDER BY s.sku FOR UPDATE OF s
),
taken AS (
    UPDATE stock s SET reserved = s.reserved + l.quantity FROM locked l WHERE s.sku = l.sku RETURNING s.sku
),
held AS (
    INSERT INTO holds (order_id, line, sku, quantity, expires_at_ms)
    SELECT order_id, line, sku,
        CASE WHEN (SELECT count(*) FROM taken) = (SELECT count(*) FROM wanted) THEN quantity END, expires_at_ms
    FROM o
)
INSERT INTO outbox (key, payload)
SELECT p.key, p.payload FROM unnest($6::bytea[], $7::bytea[]) WITH ORDINALITY AS p (key, payload, n) ORDER BY n
RETURNING id;

-- name: judge_batch
-- The orders that have no hold yet, each by what those before it in the batch leave.
WITH o AS (
    SELECT o.*
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::bigint[])
        WITH ORDINALITY AS o (order_id, line, sku, quantity, expires_at_ms, n)
    WHERE NOT EXISTS (SELECT FROM holds h WHERE (h.order_id, h.line, h.sku) = (o.order_id, o.line, o.sku))
),
level AS (
    SELECT sku, on_hand - reserved AS free FROM stock WHERE sku IN (SELECT sku FROM o) ORDER BY sku FOR UPDATE
),
judged AS (
    SELECT o.*, coalesce(sum(o.quantity) OVER (PARTITION BY o.sku ORDER BY o.n) <= l.free, false) AS fits
    FROM o LEFT JOIN level l USING (sku)
),
held AS (
    INSERT INTO holds (order_id, line, sku, quantity, expires_at_ms)
    SELECT order_id, line, sku, quantity, expires_at_ms FROM judged WHERE fits
),
taken AS (
    UPDATE stock s SET reserved = s.reserved + t.quantity
    FROM (SELECT sku, sum(quantity) AS quantity FROM judged WHERE fits GROUP BY sku) t
    WHERE s.sku = t.sku
)
INSERT INTO outbox (key, payload)
SELECT p.key, CASE WHEN j.fits THEN p.sale ELSE p.refusal END
FROM judged j
JOIN unnest($6::bytea[], $7::bytea[], $8::bytea[]) WITH ORDINALITY AS p (key, sale, refusal, n) USING (n)
ORDER BY n
RETURNING id, key, payload;
