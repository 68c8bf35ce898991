use flamingock::{rollback, verify};

async fn create_users() {}

#[rollback(create_users)]
async fn drop_users() {}

#[verify(create_users)]
async fn users_exist() -> bool {
    true
}

fn main() {}
