-- Orders by what people know of them: reference, customer, SKU, state, day. Written by the views' consumer from order.events
-- alone (consumers/views/index.py), so it can be emptied and is filled again; a schema of its own, since no room reads it.

CREATE SCHEMA search;

CREATE TABLE search.orders (
    order_id     uuid    PRIMARY KEY,
    placed_at_ms bigint  NOT NULL,  -- the append time of the first event about it
    customer_id  text    NOT NULL,
    reference    text    NOT NULL,  -- what the client calls the order; empty: nothing
    skus         text[]  NOT NULL,
    state        text    NOT NULL,
    state_offset bigint  NOT NULL   -- the offset of the event that led to `state`; -1: none yet
) WITH (fillfactor = 80);

CREATE INDEX orders_placed ON search.orders (placed_at_ms);
CREATE INDEX orders_of_customer ON search.orders (customer_id, placed_at_ms);
CREATE INDEX orders_of_reference ON search.orders (reference) WHERE reference <> '';
CREATE INDEX orders_in_state ON search.orders (state, placed_at_ms);
CREATE INDEX orders_of_sku ON search.orders USING gin (skus);

CREATE TABLE search.positions (
    partition   integer PRIMARY KEY,
    next_offset bigint  NOT NULL    -- order.events is indexed up to here
);
