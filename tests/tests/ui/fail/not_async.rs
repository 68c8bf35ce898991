use flamingock::{change, rollback, verify};

#[change(id = "create-users", order = "0001")]
fn create_users() {}

#[rollback(create_users)]
fn drop_users() {}

#[verify(create_users)]
const fn users_exist() -> bool {
    true
}

fn main() {}
