-- Orders, and how many of them a customer has.
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), item TEXT NOT NULL);
ALTER TABLE customers ADD COLUMN orders INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER count_orders AFTER INSERT ON orders BEGIN
    UPDATE customers SET orders = orders + 1 WHERE id = new.customer; -- one more;
END;
INSERT INTO orders (customer, item) VALUES (1, 'a flamingo; pink'), (1, 'a pond');
