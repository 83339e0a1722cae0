-- What grows with every order stands in partitions of a week by the time in its UUIDv7 id, so that what is past is dropped
-- whole (infra/maintenance). Each table as it was becomes the default partition, without copying a row; right after the
-- migrations the weeks are made, and what belongs to one moves there. The default partition then only catches what no
-- week is there for, so that no insert can ever fail for want of one.

-- Holds -------------------------------------------------------------------------------------------------------------

ALTER TABLE holds RENAME TO holds_default;
ALTER TABLE holds_default RENAME CONSTRAINT holds_pkey TO holds_default_pkey;
ALTER INDEX holds_due RENAME TO holds_default_due;
DROP INDEX holds_of_cart;
CREATE TABLE holds (LIKE holds_default INCLUDING DEFAULTS) PARTITION BY RANGE (order_id);
ALTER TABLE holds ADD CONSTRAINT holds_pkey PRIMARY KEY (order_id, line, sku);
CREATE INDEX holds_due ON holds (partition, expires_at_ms) WHERE state = 0;
-- Not "state = 0": then a plan that was made while a week was empty might take holds_due for a cart, and read all of it.
CREATE INDEX holds_of_cart ON holds (cart, sku) WHERE state <= 0 AND cart IS NOT NULL;
ALTER TABLE holds ATTACH PARTITION holds_default DEFAULT;

-- Movements: `id` is a function of the command id (schemas.ids.command_uuid), so that the key still makes a second ---------
-- application impossible. Commands that have a name instead of a UUIDv7 share a partition that is never dropped.

ALTER TABLE movements RENAME TO movements_default;
ALTER TABLE movements_default DROP CONSTRAINT movements_pkey;
ALTER INDEX movements_of_sku RENAME TO movements_default_of_sku;
ALTER TABLE movements_default ADD COLUMN id uuid;
UPDATE movements_default SET id = coalesce(
    order_id,
    substring(command_id FROM
        '^(?:[^/]*/)?([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})$')::uuid,
    '00000000-0000-0000-0000-000000000000'
);
ALTER TABLE movements_default ADD CONSTRAINT movements_default_pkey PRIMARY KEY (id, command_id, sku);
CREATE TABLE movements (LIKE movements_default INCLUDING DEFAULTS) PARTITION BY RANGE (id);
ALTER TABLE movements ADD CONSTRAINT movements_pkey PRIMARY KEY (id, command_id, sku);
CREATE INDEX movements_of_sku ON movements (sku, at_ms);
CREATE TABLE movements_named PARTITION OF movements
    FOR VALUES FROM (MINVALUE) TO ('00000000-0000-0000-0000-000000000001');
WITH named AS (
    DELETE FROM movements_default WHERE id = '00000000-0000-0000-0000-000000000000' RETURNING *
)
INSERT INTO movements SELECT * FROM named;
ALTER TABLE movements ATTACH PARTITION movements_default DEFAULT;

-- Orders and payments -----------------------------------------------------------------------------------------------

ALTER TABLE orders RENAME TO orders_default;
ALTER TABLE orders_default RENAME CONSTRAINT orders_pkey TO orders_default_pkey;
ALTER INDEX orders_unfinished RENAME TO orders_default_unfinished;
CREATE TABLE orders (LIKE orders_default INCLUDING DEFAULTS) PARTITION BY RANGE (order_id);
ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id);
CREATE INDEX orders_unfinished ON orders (state, updated_at_ms) WHERE state IN ('pending', 'reserved', 'placed');
ALTER TABLE orders ATTACH PARTITION orders_default DEFAULT;

ALTER TABLE payments RENAME TO payments_default;
ALTER TABLE payments_default RENAME CONSTRAINT payments_pkey TO payments_default_pkey;
CREATE TABLE payments (LIKE payments_default INCLUDING DEFAULTS) PARTITION BY RANGE (order_id);
ALTER TABLE payments ADD CONSTRAINT payments_pkey PRIMARY KEY (order_id);
ALTER TABLE payments ATTACH PARTITION payments_default DEFAULT;

ALTER TABLE payment_attempts RENAME TO payment_attempts_default;
ALTER TABLE payment_attempts_default DROP CONSTRAINT payment_attempts_pkey;
ALTER TABLE payment_attempts_default
    ADD CONSTRAINT payment_attempts_default_pkey PRIMARY KEY (order_id, operation_id);
ALTER INDEX payment_attempts_pending RENAME TO payment_attempts_default_pending;
CREATE TABLE payment_attempts (LIKE payment_attempts_default INCLUDING DEFAULTS) PARTITION BY RANGE (order_id);
ALTER TABLE payment_attempts ADD CONSTRAINT payment_attempts_pkey PRIMARY KEY (order_id, operation_id);
CREATE INDEX payment_attempts_pending ON payment_attempts (partition) WHERE result = 'pending';
ALTER TABLE payment_attempts ATTACH PARTITION payment_attempts_default DEFAULT;

-- What is dropped, and what stays of it --------------------------------------------------------------------------------

CREATE TABLE dropped_weeks (
    from_ms  bigint PRIMARY KEY,  -- ids made from here on, in ms since the epoch, ...
    until_ms bigint NOT NULL      -- ... and before here were dropped; adjacent weeks are one row
);
COMMENT ON TABLE dropped_weeks IS 'Which ids'' holds, movements, orders and payments were dropped whole, live rows never.';

CREATE TABLE stock_balances (
    sku         text   PRIMARY KEY,
    on_hand     bigint NOT NULL,  -- sum of the dropped movements' quantity,
    quarantined bigint NOT NULL,  -- of what they changed of quarantined,
    brought     bigint NOT NULL,  -- of the quantity of those that no order made,
    shipped     bigint NOT NULL   -- and of the dropped holds that were shipped
);
COMMENT ON TABLE stock_balances IS 'What dropped movements and holds sum up to, so that levels stay sums of movements.';

ALTER TABLE purchases ADD COLUMN carried bigint NOT NULL DEFAULT 0;  -- units of those whose holds were dropped
