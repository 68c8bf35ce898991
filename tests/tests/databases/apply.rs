//! Runs as an application sees them: order, restarts, reports, stages, services, refusals.

#[path = "../../scenarios"]
mod sqlite {
    use flamingock_tests::on::sqlite::*;
    mod quoting;
    mod refused;
    mod repeated_runs;
    mod retired;
    mod services;
    mod stages;
}

#[path = "../../scenarios"]
mod postgres {
    use flamingock_tests::on::postgres::*;
    mod quoting;
    mod refused;
    mod repeated_runs;
    mod retired;
    mod services;
    mod stages;
}

#[path = "../../scenarios"]
mod mariadb {
    use flamingock_tests::on::mariadb::*;
    mod quoting;
    mod refused;
    mod repeated_runs;
    mod retired;
    mod services;
    mod stages;
}
