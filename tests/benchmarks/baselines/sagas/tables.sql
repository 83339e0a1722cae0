-- The orchestrators' tables: no index and no column beyond what they need to take an order up again after a crash.

CREATE TABLE stock (
    sku     text   PRIMARY KEY,
    on_hand bigint NOT NULL,
    taken   bigint NOT NULL DEFAULT 0,  -- reserved or allocated: the orders' states say which, so a commit locks no SKU
    CHECK (taken BETWEEN 0 AND on_hand)
) WITH (fillfactor = 50);

-- The state says which step is next: it is written before the processor is asked, whose key is made of id and step.
CREATE TABLE orders (
    order_id         uuid   PRIMARY KEY,
    state            text   NOT NULL,  -- authorizing, capturing, voiding; paid, rejected, cancelled
    customer_id      text   NOT NULL,
    payment_token    text   NOT NULL,
    currency         text   NOT NULL,
    amount_minor     bigint NOT NULL,
    lines            text   NOT NULL,  -- as JSON
    expires_at_ms    bigint NOT NULL,
    authorization_id text   NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key     bytea  NOT NULL,
    payload bytea  NOT NULL
);
