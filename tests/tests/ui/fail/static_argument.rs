use flamingock::change;

#[change(id = "create-users", order = "0001")]
async fn create_users(_name: &'static str, _limit: Option<&'static u8>) {}

fn main() {}
