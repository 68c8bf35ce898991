-- +goose Up
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);

-- +goose Down
DROP TABLE orders;
