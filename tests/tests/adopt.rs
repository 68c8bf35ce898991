//! Adopting the history of other tools. Tools that are Rust crates write the histories themselves;
//! for the others, the rows are those that their documentation shows.

#![allow(clippy::duplicate_mod, clippy::unwrap_used)]

#[path = "adopt/hidden.rs"]
mod hidden;
#[path = "adopt/mongock.rs"]
mod mongock;
#[path = "adopt/peers.rs"]
mod peers;
#[path = "adopt/rows.rs"]
mod rows;

#[path = "../scenarios"]
mod sqlite {
    use crate::peers::sqlite as peers;
    use flamingock_tests::on::sqlite::*;
    mod adopt;
    mod adopt_first;
    mod adopt_meaning;
    mod adopt_places;
    mod adopt_refused;
    mod baseline;
}

#[path = "../scenarios"]
mod postgres {
    use crate::peers::postgres as peers;
    use flamingock_tests::on::postgres::*;
    mod adopt;
    mod adopt_first;
    mod adopt_meaning;
    mod adopt_places;
    mod adopt_refused;
    mod baseline;
}

#[path = "../scenarios"]
mod mariadb {
    use crate::peers::mariadb as peers;
    use flamingock_tests::on::mariadb::*;
    mod adopt;
    mod adopt_first;
    mod adopt_meaning;
    mod adopt_places;
    mod adopt_refused;
    mod baseline;
}
