-- The tables of Liquibase, after `liquibase update`.
CREATE TABLE databasechangelog (
    id VARCHAR(255) NOT NULL,
    author VARCHAR(255) NOT NULL,
    filename VARCHAR(255) NOT NULL,
    dateexecuted TIMESTAMP NOT NULL,
    orderexecuted INTEGER NOT NULL,
    exectype VARCHAR(10) NOT NULL,
    md5sum VARCHAR(35),
    description VARCHAR(255),
    comments VARCHAR(255),
    tag VARCHAR(255),
    liquibase VARCHAR(20),
    contexts VARCHAR(255),
    labels VARCHAR(255),
    deployment_id VARCHAR(10)
);
INSERT INTO databasechangelog (id, author, filename, dateexecuted, orderexecuted, exectype) VALUES
    ('1', 'ada', 'db/changelog/users.xml', now(), 1, 'EXECUTED'),
    ('1', 'ada', 'db/changelog/orders.xml', now(), 2, 'EXECUTED'),
    ('2', 'ben', 'db/changelog/orders.xml', now(), 3, 'EXECUTED');
CREATE TABLE databasechangeloglock (
    id INTEGER NOT NULL PRIMARY KEY,
    locked BOOLEAN NOT NULL,
    lockgranted TIMESTAMP,
    lockedby VARCHAR(255)
);
INSERT INTO databasechangeloglock (id, locked) VALUES (1, false);

-- What the migrations have created.
CREATE TABLE users (email TEXT PRIMARY KEY);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES users (email)
);
