GRANT SELECT, INSERT, UPDATE, DELETE ON flamingock_marker TO orders_migrator;
