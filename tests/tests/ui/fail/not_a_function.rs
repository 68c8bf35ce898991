use flamingock::{change, rollback, verify};

#[change(id = "create-users", order = "0001")]
struct CreateUsers;

#[rollback(create_users)]
mod drop_users {}

trait Users {
    #[verify(create_users)]
    async fn exist() -> bool;
}

fn main() {}
