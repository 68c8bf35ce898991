ALTER TABLE users ADD COLUMN name VARCHAR(100);
UPDATE users SET name = 'ada';
