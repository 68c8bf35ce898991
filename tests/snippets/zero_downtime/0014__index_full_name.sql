-- flamingock: transaction=false, recovery=retry
-- Creates the index without blocking writers.
DROP INDEX CONCURRENTLY IF EXISTS users_full_name;
CREATE INDEX CONCURRENTLY users_full_name ON users (full_name);
