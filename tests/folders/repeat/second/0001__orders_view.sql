-- flamingock: repeat=on-change
-- The second text.
DELETE FROM done WHERE what = 'view';
INSERT INTO done VALUES ('view'), ('view of the second');
