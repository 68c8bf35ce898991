-- Expand, in release 1: a column that the old release ignores.
ALTER TABLE users ADD COLUMN full_name TEXT;
