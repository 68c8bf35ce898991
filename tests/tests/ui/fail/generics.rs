use flamingock::{change, rollback};

#[change(id = "generic-type", order = "0001")]
async fn generic_type<T>(_value: &T)
where
    T: Send + Sync,
{
}

#[change(id = "generic-const", order = "0002")]
async fn generic_const<const N: usize>() {}

#[change(id = "lifetime", order = "0003")]
async fn lifetime<'a>(_text: &'a str) {}

#[change(id = "clause", order = "0004")]
async fn clause()
where
    String: Clone,
{
}

#[rollback(lifetime)]
async fn undo<'a, T>(_text: &'a T) {}

fn main() {}
