DROP TABLE orders;
DROP TABLE parts;
INSERT INTO done VALUES ('0001 undone');
