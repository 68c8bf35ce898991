-- flamingock: author=ada
-- Orders are kept here.
CREATE TABLE orders (id INT PRIMARY KEY, what VARCHAR(200));
CREATE TABLE parts (order_id INT, place INT);
INSERT INTO done VALUES ('0001 file');
