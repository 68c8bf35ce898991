CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
