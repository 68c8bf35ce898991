-- The number of orders of each user.
DROP VIEW IF EXISTS orders_of_users;
CREATE VIEW orders_of_users AS SELECT owner, count(*) AS orders FROM orders GROUP BY owner;
