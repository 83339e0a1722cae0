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
