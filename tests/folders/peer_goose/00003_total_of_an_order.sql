-- +goose NO TRANSACTION
-- +goose Up
ALTER TABLE orders ADD COLUMN total INTEGER;
UPDATE orders SET total = 7;

-- +goose Down
ALTER TABLE orders DROP COLUMN total;
