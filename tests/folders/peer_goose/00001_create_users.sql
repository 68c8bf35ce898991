-- Who may order.

-- +goose Up
CREATE TABLE users (id INTEGER NOT NULL, name VARCHAR(100));
INSERT INTO users VALUES (1, 'ada; the first -- +goose Down');

-- +goose Down
DROP TABLE users;
