-- Every stock command: quarantine, purchase limits, carts, suspension, and a ledger that says what each row was for.

ALTER TABLE stock
    ADD COLUMN quarantined    bigint  NOT NULL DEFAULT 0,
    ADD COLUMN purchase_limit bigint  NOT NULL DEFAULT 0,  -- units per customer; 0 is none
    ADD COLUMN is_suspended   boolean NOT NULL DEFAULT false,
    ADD COLUMN is_retired     boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT stock_never_oversold,
    ADD CONSTRAINT stock_never_oversold CHECK (
        reserved >= 0 AND allocated >= 0 AND quarantined >= 0 AND reserved + allocated + quarantined <= on_hand
    ),
    ADD CONSTRAINT stock_retired_is_empty CHECK (NOT is_retired OR on_hand = 0);

ALTER TABLE holds
    ADD COLUMN buyer text,  -- the customer, where a purchase limit was in force and counted the units
    ADD COLUMN cart  text;  -- whose checkout this is, where one was named: customer and cart, U+001F between them
CREATE INDEX holds_of_cart ON holds (cart, sku) WHERE state = 0 AND cart IS NOT NULL;

ALTER TABLE movements
    ADD COLUMN quarantined bigint NOT NULL DEFAULT 0,  -- change of quarantined, in units
    ADD COLUMN order_id    uuid,
    ADD COLUMN line        integer,
    ADD COLUMN note        text NOT NULL DEFAULT '';

CREATE TABLE purchases (
    sku         text    NOT NULL,
    customer_id text    NOT NULL,
    partition   integer NOT NULL,
    units       bigint  NOT NULL CHECK (units >= 0),
    PRIMARY KEY (sku, customer_id)
);
COMMENT ON TABLE purchases IS 'What a purchase limit has counted: units held or bought since it came into force.';
