-- Applies the changes. Its changes need rights of their own, such as the ownership of the tables.
GRANT SELECT, INSERT ON flamingock_audit TO orders_migrator;
GRANT SELECT, INSERT, UPDATE ON flamingock_lock, flamingock_lease TO orders_migrator;
-- For changes in batches, to control them, and to show how far they are.
GRANT SELECT, INSERT, UPDATE ON flamingock_progress TO orders_migrator;
GRANT SELECT, UPDATE ON flamingock_progress TO orders_operator;
GRANT SELECT ON flamingock_progress TO orders_app;
-- Resolves issues and releases the lock, and changes nothing else.
GRANT SELECT, INSERT ON flamingock_audit TO orders_operator;
GRANT SELECT, INSERT, UPDATE ON flamingock_lock, flamingock_lease TO orders_operator;
-- Starts with FLAMINGOCK_MODE=check, plans and shows.
GRANT SELECT ON flamingock_audit, flamingock_lock, flamingock_lease TO orders_app;
