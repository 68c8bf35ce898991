//! Declarative templates: files of YAML and TOML, with steps and with secrets.

mod deferred;
mod logged;
mod midway;

#[path = "../../scenarios"]
mod sqlite {
    use crate::templates::logged::Logged;
    use flamingock_tests::on::sqlite::*;
    pub(crate) mod note_template;
    mod secrets;
    mod steps;
    mod templates;
}

#[path = "../../scenarios"]
mod postgres {
    use crate::templates::logged::Logged;
    use flamingock_tests::on::postgres::*;
    pub(crate) mod note_template;
    mod secrets;
    mod steps;
    mod templates;
}

#[path = "../../scenarios"]
mod mariadb {
    use crate::templates::logged::Logged;
    use flamingock_tests::on::mariadb::*;
    pub(crate) mod note_template;
    mod secrets;
    mod steps;
    mod templates;
}
