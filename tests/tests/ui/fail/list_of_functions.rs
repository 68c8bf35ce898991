async fn plain() {}

#[flamingock::change(id = "create-users", order = "0001")]
async fn create_users() {}

fn main() {
    let _ = flamingock::changes![create_users, plain];
    let _ = flamingock::changes![create_user];
    let _ = flamingock::changes![String];
}
