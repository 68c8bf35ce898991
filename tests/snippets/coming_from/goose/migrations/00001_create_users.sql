-- +goose Up
CREATE TABLE users (email TEXT PRIMARY KEY);

-- +goose Down
DROP TABLE users;
