-- flamingock: id=create_orders
INSERT INTO done VALUES ('file');
