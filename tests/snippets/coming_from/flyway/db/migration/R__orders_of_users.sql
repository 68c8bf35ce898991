CREATE OR REPLACE VIEW orders_of_users AS
SELECT owner, count(*) AS orders FROM orders GROUP BY owner;
