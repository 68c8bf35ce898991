INSERT INTO orders VALUES (1, 'it''s; the first');
INSERT INTO orders VALUES (2, 'the second');
INSERT INTO done VALUES ('0003 file');
