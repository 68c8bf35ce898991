use flamingock::change;

#[change]
async fn create_users() {}

#[change(id = "drop-users")]
async fn drop_users() {}

fn main() {}
