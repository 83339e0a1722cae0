-- What the shop offers (consumers/catalogue): one row for each product that was ever put.

CREATE TABLE catalogue (
    product_id text    NOT NULL PRIMARY KEY,
    partition  integer NOT NULL,
    version    integer NOT NULL,
    product    bytea,              -- as on catalogue.products; NULL after a draft was removed
    commands   jsonb   NOT NULL    -- digests of the latest commands by their ids, in the order of their decision
);
COMMENT ON TABLE catalogue IS 'Products, as catalogue.products has them, and which commands each has had.';
