-- flamingock: id=create_orders
-- Creates the table of orders.
CREATE TABLE order_table (id BIGINT PRIMARY KEY);
