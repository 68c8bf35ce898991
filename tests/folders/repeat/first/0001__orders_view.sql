-- flamingock: repeat=on-change
-- The first text.
DELETE FROM done WHERE what = 'view';
INSERT INTO done VALUES ('view'), ('view of the first');
