-- name: store_address
-- Whatever is placed again is the same order: the first address stays.
INSERT INTO edge.addresses (order_id, buyer_id, name, street, postcode, city, country)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (order_id) DO NOTHING;

-- name: address_of_order
SELECT name, street, postcode, city, country FROM edge.addresses WHERE order_id = $1;

-- name: latest_address
SELECT name, street, postcode, city, country FROM edge.addresses
WHERE buyer_id = $1 ORDER BY order_id DESC LIMIT 1;

-- name: orders_with_address
SELECT order_id FROM edge.addresses WHERE buyer_id = $1 ORDER BY order_id;

-- name: erase_addresses
DELETE FROM edge.addresses WHERE buyer_id = $1 AND order_id = ANY($2::uuid[]);
