//! The mistake is in the change alone: its rollback and the list are no second one.

use flamingock::{change, rollback, verify};

#[change(id = "create-users", order = 1)]
async fn create_users() {}

#[rollback(create_users)]
async fn drop_users() {}

#[verify(create_users)]
async fn users_exist() -> bool {
    true
}

fn main() {
    let _ = flamingock::changes![create_users];
}
