-- no-transaction
CREATE TABLE orders (id INTEGER NOT NULL, owner INTEGER);
ALTER TABLE orders ADD COLUMN total INTEGER;
