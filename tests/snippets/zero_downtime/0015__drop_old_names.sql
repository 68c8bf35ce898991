-- Contract, in release 4: no instance reads or writes these columns any more.
ALTER TABLE users DROP COLUMN first_name, DROP COLUMN last_name;
