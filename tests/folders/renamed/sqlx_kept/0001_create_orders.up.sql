-- flamingock: id=1_create_ordes
INSERT INTO done VALUES ('file');
