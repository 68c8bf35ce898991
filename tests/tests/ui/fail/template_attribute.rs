use flamingock::template;

#[template]
async fn without_a_name(_payload: String) {}

#[template(stream)]
async fn name_without_quotes(_payload: String) {}

#[template("nats stream")]
async fn name_with_a_blank(_payload: String) {}

#[template("stream", regster = false)]
async fn misspelled_key(_payload: String) {}

#[template("stream", transaction = false)]
async fn key_of_a_change(_payload: String) {}

fn main() {}
