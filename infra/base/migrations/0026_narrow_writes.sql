-- What each batch rewrites stands side by side, and an order moves on without new index entries (docs/decisions, 041).

-- An update writes to the server's log what lies between the first and the last column that changed. What a claim sets once goes
-- behind what each batch changes.
ALTER TABLE claims RENAME COLUMN cluster_id TO earlier_cluster_id;
ALTER TABLE claims RENAME COLUMN topic_ids TO earlier_topic_ids;
ALTER TABLE claims RENAME COLUMN group_id TO earlier_group_id;
ALTER TABLE claims ADD COLUMN cluster_id text, ADD COLUMN topic_ids text[], ADD COLUMN group_id text;
UPDATE claims SET cluster_id = earlier_cluster_id, topic_ids = earlier_topic_ids, group_id = earlier_group_id;
ALTER TABLE claims DROP COLUMN earlier_cluster_id, DROP COLUMN earlier_topic_ids, DROP COLUMN earlier_group_id;
COMMENT ON COLUMN claims.cluster_id IS 'Set by the first claim; a claim of another log is refused (lastunit topology rebase).';
COMMENT ON COLUMN claims.topic_ids IS 'Kafka''s id of each source topic, in the order of next_offsets.';
COMMENT ON COLUMN claims.group_id IS 'The consumer group of the last claim; NULL: claimed by an earlier release.';

-- A row whose indexed columns stay as they are gets no new index entries (HOT); the columns of an index's condition count too.
-- A release before this one leaves an order open that it has ended: who looks for what waits asks for the state as well.
ALTER TABLE orders ADD COLUMN is_open boolean NOT NULL DEFAULT false;
UPDATE orders SET is_open = true WHERE state IN ('pending', 'reserved', 'committing', 'placed');
ALTER TABLE orders ALTER COLUMN is_open SET DEFAULT true;
COMMENT ON COLUMN orders.is_open IS 'Whether its state is one in which it waits for something: pending, reserved, committing, placed.';
DROP INDEX orders_unfinished;
CREATE INDEX orders_open ON orders (partition) WHERE is_open;

-- Room in the page for the versions of an order that is under way; of the weeks that are there already too.
DO $$
DECLARE
    week regclass;
BEGIN
    FOR week IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'orders'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', week);
    END LOOP;
END
$$;

-- An order has few SKUs: a list of entries to be sorted in later costs more than to sort them in.
ALTER INDEX search.orders_of_sku SET (fastupdate = off);
SELECT gin_clean_pending_list('search.orders_of_sku'::regclass);
