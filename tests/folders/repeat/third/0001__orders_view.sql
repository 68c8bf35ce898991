-- flamingock: repeat=on-change
-- The third text.
DELETE FROM done WHERE what = 'view';
INSERT INTO done VALUES ('view'), ('view of the third');
