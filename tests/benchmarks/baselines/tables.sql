-- The tables of the baselines that keep their stock in PostgreSQL: no index and no column beyond what they need.

CREATE TABLE stock (
    sku      text   PRIMARY KEY,
    on_hand  bigint NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,
    CHECK (reserved BETWEEN 0 AND on_hand)
) WITH (fillfactor = 50);

CREATE TABLE holds (
    order_id      uuid    NOT NULL,
    line          integer NOT NULL,
    sku           text    NOT NULL,
    quantity      integer NOT NULL,
    expires_at_ms bigint  NOT NULL,
    PRIMARY KEY (order_id, line, sku)
);

CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key     bytea  NOT NULL,
    payload bytea  NOT NULL
);

-- One row a unit: only for the lane skip_locked.
CREATE TABLE units (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku      text NOT NULL,
    order_id uuid
) WITH (fillfactor = 50);
CREATE INDEX units_free ON units (sku, id) WHERE order_id IS NULL;
