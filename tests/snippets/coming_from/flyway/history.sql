-- The table of Flyway, after `flyway migrate`.
CREATE TABLE flyway_schema_history (
    installed_rank INT NOT NULL PRIMARY KEY,
    version VARCHAR(50),
    description VARCHAR(200) NOT NULL,
    type VARCHAR(20) NOT NULL,
    script VARCHAR(1000) NOT NULL,
    checksum INTEGER,
    installed_by VARCHAR(100) NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT now(),
    execution_time INTEGER NOT NULL,
    success BOOLEAN NOT NULL
);
INSERT INTO flyway_schema_history
    (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
VALUES
    (1, '1', 'create users', 'SQL', 'V1__create_users.sql', -1410065408, 'shop', 4, true),
    (2, '2', 'create orders', 'SQL', 'V2__create_orders.sql', 1732050807, 'shop', 3, true),
    (3, NULL, 'orders of users', 'SQL', 'R__orders_of_users.sql', 577215664, 'shop', 2, true);

-- What the migrations have created.
CREATE TABLE users (email TEXT PRIMARY KEY);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
CREATE OR REPLACE VIEW orders_of_users AS
SELECT owner, count(*) AS orders FROM orders GROUP BY owner;
