-- When an order whose lines are not all answered is given up (consumers/orders).

ALTER TABLE orders ADD COLUMN deadline_ms bigint;  -- when its wait is ended by a logged command; NULL: it is not waiting
UPDATE orders SET deadline_ms = updated_at_ms + 3900000 WHERE state = 'pending';  -- schemas.limits.GATHER_MS
CREATE INDEX orders_due ON orders (partition, deadline_ms) WHERE deadline_ms IS NOT NULL;
