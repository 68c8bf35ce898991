INSERT INTO done VALUES ('file');
