//! Declarative templates: files of YAML and TOML, with steps and with secrets.

#![allow(clippy::unwrap_used)]
#![allow(clippy::duplicate_mod)] // The same scenarios on every database.

#[path = "templates/deferred.rs"]
mod deferred;
#[path = "templates/logged.rs"]
mod logged;
#[path = "templates/midway.rs"]
mod midway;

#[path = "../scenarios"]
mod sqlite {
    use crate::logged::Logged;
    use flamingock_tests::on::sqlite::*;
    pub(crate) mod note_template;
    mod secrets;
    mod steps;
    mod templates;
}

#[path = "../scenarios"]
mod postgres {
    use crate::logged::Logged;
    use flamingock_tests::on::postgres::*;
    pub(crate) mod note_template;
    mod secrets;
    mod steps;
    mod templates;
}

#[path = "../scenarios"]
mod mariadb {
    use crate::logged::Logged;
    use flamingock_tests::on::mariadb::*;
    pub(crate) mod note_template;
    mod secrets;
    mod steps;
    mod templates;
}
