-- The table of dbmate, after `dbmate up`.
CREATE TABLE schema_migrations (version VARCHAR(128) PRIMARY KEY);
INSERT INTO schema_migrations VALUES ('20240131120000'), ('20240131120001');

-- What the migrations have created.
CREATE TABLE users (email TEXT PRIMARY KEY);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
