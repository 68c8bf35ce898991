use flamingock::change;

#[change(id = "argument", order = "0001")]
async fn argument(_text: &impl AsRef<str>) {}

#[change(id = "output", order = "0002")]
async fn output() -> Result<(), impl std::error::Error> {
    Err(std::fmt::Error)
}

fn main() {}
