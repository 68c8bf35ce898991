-- The table of sea-orm-migration, after `sea-orm-cli migrate up`.
CREATE TABLE seaql_migrations (version VARCHAR NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL);
INSERT INTO seaql_migrations VALUES
    ('m20240131_000001_create_users', 1706702400),
    ('m20240131_000002_create_orders', 1706702401);

-- What the migrations have created.
CREATE TABLE users (email TEXT PRIMARY KEY);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
