-- Migrate, in release 2: every instance writes both columns by now.
UPDATE users SET full_name = first_name || ' ' || last_name WHERE full_name IS NULL;
