//! Operator calls, on every database.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod central;
    mod edge_cases;
    mod format;
    mod missing_values;
    mod operate;
    mod operator_checks;
    mod test_database;
    mod undo_range;
    mod verify_functions;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod central;
    mod edge_cases;
    mod format;
    mod missing_values;
    mod operate;
    mod operator_checks;
    mod test_database;
    mod undo_range;
    mod verify_functions;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod central;
    mod edge_cases;
    mod format;
    mod missing_values;
    mod operate;
    mod operator_checks;
    mod test_database;
    mod undo_range;
    mod verify_functions;
}
