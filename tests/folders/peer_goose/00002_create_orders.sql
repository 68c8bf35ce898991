-- +goose Up
-- +goose StatementBegin
CREATE TABLE orders (id INTEGER NOT NULL, owner INTEGER);
-- +goose StatementEnd

-- +goose StatementBegin
INSERT INTO orders VALUES (1, 1);
-- +goose StatementEnd

-- +goose Down
DELETE FROM orders;
DROP TABLE orders;
