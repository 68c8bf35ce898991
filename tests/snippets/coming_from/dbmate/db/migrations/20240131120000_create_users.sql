-- migrate:up
CREATE TABLE users (email TEXT PRIMARY KEY);

-- migrate:down
DROP TABLE users;
