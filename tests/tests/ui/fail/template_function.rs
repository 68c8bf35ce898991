use flamingock::template;
use sqlx::{PgConnection, SqliteConnection};

#[template("blocking")]
fn blocking(_payload: String) {}

#[template("generic")]
async fn generic<T>(_payload: T) {}

#[template("two-connections")]
async fn two_connections(_payload: String, _a: &mut SqliteConnection, _b: &mut PgConnection) {}

#[template("wrong-answer")]
async fn wrong_answer(_payload: String) -> u8 {
    0
}

#[template("no-function")]
struct NoFunction;

struct Sender;

impl Sender {
    #[template("method")]
    async fn method(&self, _payload: String) {}
}

fn main() {}
