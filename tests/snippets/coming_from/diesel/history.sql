-- The table of diesel, after `diesel migration run`.
CREATE TABLE __diesel_schema_migrations (
    version VARCHAR(50) PRIMARY KEY NOT NULL,
    run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO __diesel_schema_migrations (version) VALUES ('20240131120000'), ('20240131120001');

-- What the migrations have created.
CREATE TABLE users (email TEXT PRIMARY KEY);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
