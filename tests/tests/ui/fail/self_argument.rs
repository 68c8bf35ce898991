use flamingock::change;

struct Users;

impl Users {
    #[change(id = "create-users", order = "0001")]
    async fn create(&self) {}
}

fn main() {}
