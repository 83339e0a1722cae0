-- name: reserve_line
-- What is not there breaks the table's CHECK, what is unknown a NOT NULL: either way the statement changes nothing.
WITH taken AS (
    UPDATE stock SET taken = taken + $9 WHERE sku = $8 RETURNING sku
)
INSERT INTO orders (order_id, customer_id, payment_token, currency, amount_minor, lines, expires_at_ms, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT 'authorizing' FROM taken));

-- name: reserve_lines
WITH wanted AS (
    SELECT sku, quantity FROM unnest($8::text[], $9::bigint[]) AS w (sku, quantity)
),
taken AS (
    UPDATE stock s SET taken = s.taken + w.quantity FROM wanted w WHERE s.sku = w.sku RETURNING s.sku
)
INSERT INTO orders (order_id, customer_id, payment_token, currency, amount_minor, lines, expires_at_ms, state)
VALUES ($1, $2, $3, $4, $5, $6, $7,
    CASE WHEN (SELECT count(*) FROM taken) = (SELECT count(*) FROM wanted) THEN 'authorizing' END);

-- name: refuse
WITH refused AS (
    INSERT INTO orders (order_id, customer_id, payment_token, currency, amount_minor, lines, expires_at_ms, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'rejected')
)
INSERT INTO outbox (key, payload) VALUES ($8, $9) RETURNING id;

-- name: state_of
SELECT state FROM orders WHERE order_id = $1;

-- name: commit
-- Money is held: the holds are allocations from here on, and the capture is what comes next.
UPDATE orders SET state = 'capturing', authorization_id = $2
WHERE order_id = $1 AND state = 'authorizing' AND expires_at_ms > $3
RETURNING state;

-- name: pay
WITH paid AS (
    UPDATE orders SET state = 'paid' WHERE order_id = $1 AND state = 'capturing' RETURNING order_id
)
INSERT INTO outbox (key, payload) SELECT $2, $3 FROM paid RETURNING id;

-- name: undo
-- The authorisation is to be voided before anything else.
UPDATE orders SET state = 'voiding', authorization_id = $2 WHERE order_id = $1;

-- name: end
WITH ended AS (
    UPDATE orders SET state = $2 WHERE order_id = $1 AND state IN ('authorizing', 'voiding') RETURNING order_id
),
given_back AS (
    UPDATE stock s SET taken = s.taken - w.quantity
    FROM unnest($3::text[], $4::bigint[]) AS w (sku, quantity), ended
    WHERE s.sku = w.sku
)
INSERT INTO outbox (key, payload) SELECT $5, $6 FROM ended RETURNING id;
