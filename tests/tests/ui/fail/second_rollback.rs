use flamingock::{change, rollback, verify};

#[change(id = "create-users", order = "0001")]
async fn create_users() {}

#[rollback(create_users)]
async fn drop_users() {}

#[rollback(create_users)]
async fn delete_users() {}

#[verify(create_users)]
async fn users_exist() -> bool {
    true
}

#[verify(create_users)]
async fn users_are_there() -> bool {
    true
}

fn main() {}
