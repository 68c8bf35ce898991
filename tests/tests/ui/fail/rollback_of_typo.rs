use flamingock::{change, rollback, verify};

#[change(id = "create-users", order = "0001")]
async fn create_users() {}

#[rollback(crate_users)]
async fn drop_users() {}

#[verify(self::create_user)]
async fn users_exist() -> bool {
    true
}

fn main() {}
