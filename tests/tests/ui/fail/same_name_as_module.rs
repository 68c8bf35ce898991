mod create_users {
    #[flamingock::change(id = "create-users", order = "0001")]
    pub(crate) async fn create_users() {}
}

use create_users::create_users;

fn main() {
    let _ = create_users();
}
