-- Goods on their way out and back (consumers/fulfilment), by week as orders are.

CREATE TABLE fulfilments (
    order_id             uuid    NOT NULL,
    partition            integer NOT NULL,
    state                text    NOT NULL,
    captures_at_shipping boolean NOT NULL,
    is_lapsed            boolean NOT NULL,
    is_returned          boolean NOT NULL,
    ship_by_ms           bigint  NOT NULL,
    lines                jsonb   NOT NULL,  -- consumers.fulfilment.fulfilment.Line, by line number,
    shipments            jsonb   NOT NULL,  -- Shipment, by shipment id,
    returns              jsonb   NOT NULL,  -- and Return, by return id
    waits_for            text    NOT NULL,  -- what has to happen next; empty where nothing has to
    deadline_ms          bigint,            -- when the wait is ended by a logged command; NULL where the answer comes by itself
    updated_at_ms        bigint  NOT NULL,
    PRIMARY KEY (order_id)
) PARTITION BY RANGE (order_id);
CREATE INDEX fulfilments_due ON fulfilments (partition, deadline_ms) WHERE deadline_ms IS NOT NULL;
CREATE INDEX fulfilments_lapsed ON fulfilments (order_id) WHERE is_lapsed;
CREATE TABLE fulfilments_default PARTITION OF fulfilments DEFAULT WITH (fillfactor = 70);
COMMENT ON TABLE fulfilments IS 'One row for each order that there is something to ship of.';

-- A week is there in every table or in none (infra/maintenance/tables.py), so those that orders have are made here.
DO $$
DECLARE
    week record;
BEGIN
    FOR week IN
        SELECT replace(c.relname, 'orders_', 'fulfilments_') AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'orders'::regclass AND c.relname <> 'orders_default'
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF fulfilments %s WITH (fillfactor = 70)', week.name, week.bounds);
    END LOOP;
END
$$;
