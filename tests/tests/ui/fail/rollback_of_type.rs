use flamingock::rollback;

struct CreateUsers;

#[rollback(CreateUsers)]
async fn drop_users() {}

fn main() {}
