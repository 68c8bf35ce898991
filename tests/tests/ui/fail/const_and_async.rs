use flamingock::change;

#[change(id = "create-users", order = "0001")]
const async fn create_users() {}

fn main() {}
