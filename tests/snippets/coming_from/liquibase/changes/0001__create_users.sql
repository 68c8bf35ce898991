-- Creates the `users` table.
CREATE TABLE users (email TEXT PRIMARY KEY);
