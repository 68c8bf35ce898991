use flamingock::rollback;

mod users {
    #[flamingock::change(id = "create-users", order = "0001")]
    #[cfg(any())]
    pub(crate) async fn create() {}
}

#[rollback(users::create)]
async fn drop_users() {}

fn main() {}
