-- Where orders of the shop are delivered to (infra/edge/shop/delivery.py). The log has nothing of it: the order's id leads here.

CREATE TABLE edge.addresses (
    order_id  uuid        PRIMARY KEY,
    buyer_id  text        NOT NULL,  -- the customer, or what a guest is called in orders
    name      text        NOT NULL,
    street    text        NOT NULL,
    postcode  text        NOT NULL,
    city      text        NOT NULL,
    country   text        NOT NULL,  -- ISO 3166-1 alpha-2
    stored_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE edge.addresses IS 'Personal data: a row goes when its buyer erases it, or with the retention of its order.';

CREATE INDEX addresses_of_buyer ON edge.addresses (buyer_id, order_id DESC);
