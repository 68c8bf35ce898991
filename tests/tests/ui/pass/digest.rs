//! The digest follows the code, not its name, doc or layout.

use flamingock::__private::Change;
use flamingock::change;

/// First.
#[change(id = "first", order = "0001")]
async fn first(_limit: &u32) -> Result<(), std::io::Error> {
    let _rows = [1_000, 2];
    Ok(())
}

mod other {
    use flamingock::change;

    #[change(id = "same", order = "0002", author = "ada")]
    #[inline]
    pub(crate) async fn same(
        // A comment.
        _limit: &u32,
    ) -> Result<(), std::io::Error> {
        let _rows = [
            1000, // Another.
            2,
        ];
        Ok(())
    }

    #[change(id = "edited", order = "0003")]
    pub(crate) async fn edited(_limit: &u32) -> Result<(), std::io::Error> {
        let _rows = [1001, 2];
        Ok(())
    }
}

fn main() {
    assert_eq!(
        first::DEFINITION.digest,
        "v1:200f2616246ae31f3da2f80624f0d6f8"
    );
    assert_eq!(first::DEFINITION.digest, other::same::DEFINITION.digest);
    assert_ne!(first::DEFINITION.digest, other::edited::DEFINITION.digest);
}
