use flamingock::{change, template, verify};

#[template("stream")]
async fn stream(_payload: String) {}

#[verify(template = stream)]
async fn first(_payload: String) -> bool {
    true
}

#[verify(template = stream)]
async fn second(_payload: String) -> bool {
    true
}

#[verify(template = "stream")]
async fn by_name(_payload: String) -> bool {
    true
}

#[verify(template = stream)]
async fn without_an_answer(_payload: String) {}

#[change(id = "create-users", order = "0001")]
async fn create_users() {}

#[verify(template = create_users)]
async fn of_a_change(_payload: String) -> bool {
    true
}

fn main() {
    let _ = flamingock::templates![stream, create_users];
}
