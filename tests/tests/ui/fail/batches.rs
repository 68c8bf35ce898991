use flamingock::{Batch, BoxError, Next, change, rollback};

#[change(id = "no-argument", order = "0001", batch)]
async fn no_argument() -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

#[change(id = "no-key", order = "0002")]
async fn no_key(_batch: Batch<i64>) -> Result<(), BoxError> {
    Ok(())
}

#[change(id = "no-next", order = "0003", batch)]
async fn no_next(_batch: Batch<i64>) -> Result<(), BoxError> {
    Ok(())
}

#[change(id = "value", order = "0004", batch = true)]
async fn value(_batch: Batch<i64>) -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

#[change(id = "repeats", order = "0005", repeat = "on-change", batch)]
async fn repeats(_batch: Batch<i64>) -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

#[change(id = "good", order = "0006", batch)]
async fn good(_batch: Batch<i64>) -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

#[rollback(good)]
async fn back(_batch: Batch<i64>) {}

#[change(id = "plain", order = "0007")]
async fn plain() {}

#[rollback(plain, batch)]
async fn plain_back(_batch: Batch<i64>) -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

#[change(id = "better", order = "0008", batch)]
async fn better(_batch: Batch<i64>) -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

#[rollback(better, batch)]
async fn better_back() -> Result<Next<i64>, BoxError> {
    Ok(Next::finished())
}

fn main() {}
