ALTER TABLE users DROP CONSTRAINT full_name_set;
