-- Who owns a partition, how far its decisions are, and what is still to be published (consumers/runtime).

CREATE TABLE claims (
    room         text     NOT NULL,
    partition    integer  NOT NULL,
    epoch        bigint   NOT NULL,
    next_offsets bigint[] NOT NULL,  -- one for each source topic of the room, in the room's order
    at_ms        bigint   NOT NULL,  -- the latest append time decided so far: time never steps back
    batch        bigint   NOT NULL,  -- batches decided so far
    PRIMARY KEY (room, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE claims IS 'One row a partition of a room: the fence (epoch) and the truth about its position.';

CREATE TABLE outbox (
    room      text    NOT NULL,
    partition integer NOT NULL,
    batch     bigint  NOT NULL,
    records   bytea   NOT NULL,  -- msgpack of producers.publisher.Outgoing
    PRIMARY KEY (room, partition, batch)
);
ALTER TABLE outbox ALTER COLUMN records SET STORAGE EXTERNAL;
COMMENT ON TABLE outbox IS 'What a batch has to say, from its commit until Kafka has acknowledged it; then deleted.';

CREATE TABLE decided_ranges (
    room      text     NOT NULL,
    partition integer  NOT NULL,
    batch     bigint   NOT NULL,
    ranges    bigint[] NOT NULL,  -- triples: index of the source topic, first offset, offset after the last
    PRIMARY KEY (room, partition, batch)
);
COMMENT ON TABLE decided_ranges IS
    'The order in which a room with several source topics decided them, so that a replay can follow it.';

-- Refuses a whole statement when the compare-and-set of even one partition in it failed.
CREATE FUNCTION require_fence(held bigint, wanted bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF held <> wanted THEN
        RAISE EXCEPTION 'fenced: % of % partitions are still ours', held, wanted USING ERRCODE = 'LU001';
    END IF;
    RETURN true;
END
$$;

-- Inventory ---------------------------------------------------------------------------------------------------------

CREATE TABLE stock (
    sku       text    PRIMARY KEY,
    partition integer NOT NULL,
    on_hand   bigint  NOT NULL,
    reserved  bigint  NOT NULL,
    allocated bigint  NOT NULL,
    CONSTRAINT stock_never_oversold CHECK (reserved >= 0 AND allocated >= 0 AND reserved + allocated <= on_hand)
) WITH (fillfactor = 50);

CREATE TABLE holds (
    order_id      uuid     NOT NULL,
    line          integer  NOT NULL,
    sku           text     NOT NULL,
    partition     integer  NOT NULL,
    quantity      integer  NOT NULL,
    state         smallint NOT NULL,  -- consumers.inventory.ledger.HoldState
    expires_at_ms bigint   NOT NULL,
    PRIMARY KEY (order_id, line, sku)
);
CREATE INDEX holds_due ON holds (partition, expires_at_ms) WHERE state = 0;

CREATE TABLE movements (
    command_id text    NOT NULL,
    sku        text    NOT NULL,
    partition  integer NOT NULL,
    kind       text    NOT NULL,
    quantity   bigint  NOT NULL,     -- change of on_hand, in units
    at_ms      bigint  NOT NULL,
    PRIMARY KEY (command_id, sku)    -- a second application is impossible
);
CREATE INDEX movements_of_sku ON movements (sku, at_ms);

-- Orders ------------------------------------------------------------------------------------------------------------

CREATE TABLE orders (
    order_id      uuid    PRIMARY KEY,
    partition     integer NOT NULL,
    state         text    NOT NULL,
    reason        text    NOT NULL,
    customer_id   text    NOT NULL,
    payment_token text    NOT NULL,
    currency      text    NOT NULL,
    line_count    integer NOT NULL,
    amount_minor  bigint  NOT NULL,
    authorized    boolean NOT NULL,
    lines         jsonb   NOT NULL,  -- consumers.orders.order.Line, by line number
    updated_at_ms bigint  NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX orders_unfinished ON orders (state, updated_at_ms) WHERE state IN ('pending', 'reserved', 'placed');

-- Payments ----------------------------------------------------------------------------------------------------------

CREATE TABLE payments (
    order_id         uuid    PRIMARY KEY,
    partition        integer NOT NULL,
    state            text    NOT NULL,
    amount_minor     bigint  NOT NULL,
    currency         text    NOT NULL,
    customer_id      text    NOT NULL,
    payment_token    text    NOT NULL,
    authorization_id text    NOT NULL,
    order_over       boolean NOT NULL,
    updated_at_ms    bigint  NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE payment_attempts (
    operation_id text    PRIMARY KEY,  -- the idempotency key at the processor
    order_id     uuid    NOT NULL,
    partition    integer NOT NULL,
    kind         text    NOT NULL,
    result       text    NOT NULL,     -- 'pending' until RecordPaymentResult was read back from the log
    started_at_ms bigint NOT NULL
);
CREATE INDEX payment_attempts_pending ON payment_attempts (partition) WHERE result = 'pending';
