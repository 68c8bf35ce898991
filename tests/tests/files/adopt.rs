//! Adopting the history of other tools. Tools that are Rust crates write the histories themselves;
//! for the others, the rows are those that their documentation shows.

mod hidden;
mod mongock;
mod peers;
mod rows;

#[path = "../../scenarios"]
mod sqlite {
    use crate::adopt::peers::sqlite as peers;
    use flamingock_tests::on::sqlite::*;
    mod adopt;
    mod adopt_first;
    mod adopt_meaning;
    mod adopt_places;
    mod adopt_refused;
    mod baseline;
}

#[path = "../../scenarios"]
mod postgres {
    use crate::adopt::peers::postgres as peers;
    use flamingock_tests::on::postgres::*;
    mod adopt;
    mod adopt_first;
    mod adopt_meaning;
    mod adopt_places;
    mod adopt_refused;
    mod baseline;
}

#[path = "../../scenarios"]
mod mariadb {
    use crate::adopt::peers::mariadb as peers;
    use flamingock_tests::on::mariadb::*;
    mod adopt;
    mod adopt_first;
    mod adopt_meaning;
    mod adopt_places;
    mod adopt_refused;
    mod baseline;
}
