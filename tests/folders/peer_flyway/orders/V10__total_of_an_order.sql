ALTER TABLE orders ADD COLUMN total INTEGER;
UPDATE orders SET total = 7;
