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

-- name: reserve_batch
-- The orders of a batch whose lines all fit into what those before them leave; SKUs are locked in one order.
WITH o AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
        AS o (order_id, customer_id, payment_token, currency, amount_minor, lines, expires_at_ms)
),
wanted AS (
    SELECT * FROM unnest($8::uuid[], $9::text[], $10::bigint[]) WITH ORDINALITY AS w (order_id, sku, quantity, n)
),
level AS (
    SELECT sku, on_hand - taken AS free FROM stock WHERE sku IN (SELECT sku FROM wanted) ORDER BY sku FOR UPDATE
),
judged AS (
    SELECT order_id, bool_and(fits) AS fits
    FROM (
        SELECT w.order_id,
            coalesce(sum(w.quantity) OVER (PARTITION BY w.sku ORDER BY w.n) <= l.free, false) AS fits
        FROM wanted w LEFT JOIN level l USING (sku)
    ) f
    GROUP BY order_id
),
taken AS (
    UPDATE stock s SET taken = s.taken + t.quantity
    FROM (
        SELECT w.sku, sum(w.quantity) AS quantity FROM wanted w JOIN judged j USING (order_id) WHERE j.fits GROUP BY w.sku
    ) t
    WHERE s.sku = t.sku
)
INSERT INTO orders (order_id, customer_id, payment_token, currency, amount_minor, lines, expires_at_ms, state)
SELECT o.*, 'authorizing' FROM o JOIN judged j USING (order_id) WHERE j.fits
RETURNING order_id::text;

-- name: commit_batch
UPDATE orders o SET state = 'capturing', authorization_id = a.authorization_id
FROM unnest($1::uuid[], $2::text[]) AS a (order_id, authorization_id)
WHERE o.order_id = a.order_id AND o.state = 'authorizing' AND o.expires_at_ms > $3
RETURNING o.order_id::text;

-- name: pay_batch
WITH paid AS (
    UPDATE orders o SET state = 'paid' FROM unnest($1::uuid[]) AS p (order_id)
    WHERE o.order_id = p.order_id AND o.state = 'capturing' RETURNING o.order_id
)
INSERT INTO outbox (key, payload)
SELECT p.key, p.payload
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS p (order_id, key, payload) JOIN paid USING (order_id)
RETURNING id, key, payload;
