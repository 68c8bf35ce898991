//! Other attributes stay on the function, before and after Flamingock's.

use flamingock::__private::{Change, Code, Inputs, Session, Values};
use flamingock::change;
use tokio::sync::Mutex;

static CALLS: Mutex<Vec<&str>> = Mutex::const_new(Vec::new());

#[must_use]
#[change(id = "counted", order = "0001")]
#[deprecated = "superseded"]
#[inline(never)]
async fn counted(text: &&'static str, missing: Option<&u8>) -> Result<(), std::io::Error> {
    assert!(missing.is_none());
    CALLS.lock().await.push(text);
    Err(std::io::Error::other("as asked"))
}

#[flamingock::verify(counted)]
async fn check(text: &&'static str) -> bool {
    *text == "given"
}

fn main() {
    let mut values = Values::default();
    values.insert::<&'static str>(std::sync::Arc::new("given"));
    let empty = Values::default();
    let inputs = || Inputs {
        session: Session::none(),
        values: [&empty, &empty, &values],
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();

    let Code::Function(call) = counted::DEFINITION.body.code else {
        panic!()
    };
    let error = runtime.block_on(call(inputs(), [])).unwrap_err();
    assert_eq!(error.to_string(), "as asked");
    assert_eq!(*CALLS.blocking_lock(), ["given"]);
    let check = counted::DEFINITION.verify.unwrap();
    let Code::Function(call) = check.code else {
        panic!()
    };
    assert!(runtime.block_on(call(inputs(), [])).unwrap());
}
