use flamingock::change;

#[change(id = "create-users", order = "0001")]
async fn create_users(#[cfg(unix)] _name: &str) {}

fn main() {}
