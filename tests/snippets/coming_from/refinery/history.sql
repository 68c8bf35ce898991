-- The table of refinery, after a run.
CREATE TABLE refinery_schema_history (
    version INT4 PRIMARY KEY,
    name VARCHAR(255),
    applied_on VARCHAR(255),
    checksum VARCHAR(255)
);
INSERT INTO refinery_schema_history VALUES
    (1, 'create_users', '2024-01-31T12:00:00.123456789Z', '14142135623730950488'),
    (2, 'create_orders', '2024-01-31T12:00:00.234567891Z', '16487212707001281468');

-- What the migrations have created.
CREATE TABLE users (email TEXT PRIMARY KEY);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
