-- flamingock: transaction=false, target=billing, recovery=retry
-- Creates the index for finding orders by their owner.
DROP INDEX CONCURRENTLY IF EXISTS orders_owner;
CREATE INDEX CONCURRENTLY orders_owner ON orders (owner);
