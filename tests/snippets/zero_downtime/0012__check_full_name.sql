-- Adds the rule without reading the table, and checks the rows without blocking writers.
ALTER TABLE users ADD CONSTRAINT full_name_set CHECK (full_name IS NOT NULL) NOT VALID;
