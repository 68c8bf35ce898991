use flamingock::{template, verify};

struct Settings;

struct Client;

#[template("nothing")]
async fn nothing() {}

#[template("not-read-by-serde")]
async fn not_read_by_serde(_settings: Settings) {}

#[template("by-reference")]
async fn by_reference(_settings: &String) {}

#[template("behind-the-client")]
async fn behind_the_client(_client: &Client, _name: String) {}

#[verify(template = not_read_by_serde)]
async fn check_of_nothing() -> bool {
    true
}

fn main() {}
