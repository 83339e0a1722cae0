-- Orders under terms of their own, which may be cancelled: they read order.commands beside order.events.

-- The terms are words of schemas.terms. That a payment is authorised says the state now: committing, or a later one.
ALTER TABLE orders ADD COLUMN terms text NOT NULL DEFAULT '';
UPDATE orders SET state = 'committing' WHERE state = 'reserved' AND authorized;
ALTER TABLE orders DROP COLUMN authorized;
COMMENT ON COLUMN orders.line_count IS 'Its lines; once all are answered, those that it goes on with.';

DROP INDEX orders_unfinished;
CREATE INDEX orders_unfinished ON orders (state, updated_at_ms)
    WHERE state IN ('pending', 'reserved', 'committing', 'placed');

-- The new source comes second; what was decided before it was there was decided in the order of the first one.
INSERT INTO decided_ranges (room, partition, batch, ranges)
SELECT room, partition, batch, ARRAY[0, 0, next_offsets[1]] FROM claims WHERE room = 'orders' AND next_offsets[1] > 0;
UPDATE claims SET next_offsets = next_offsets || 0::bigint WHERE room = 'orders';
