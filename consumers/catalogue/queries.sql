-- name: load
SELECT product_id, version, product, commands FROM catalogue WHERE product_id = ANY($1::text[]);

-- name: save
saved_products AS (
    INSERT INTO catalogue (product_id, partition, version, product, commands)
    SELECT c.product_id, c.partition, c.version, c.product, c.commands
    FROM unnest($10::text[], $11::integer[], $12::integer[], $13::bytea[], $14::jsonb[])
        AS c (product_id, partition, version, product, commands), guard
    ON CONFLICT (product_id) DO UPDATE SET version = excluded.version, product = excluded.product, commands = excluded.commands
)
