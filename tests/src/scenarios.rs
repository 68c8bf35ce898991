//! One generic function, one test per database.

/// Runs one scenario on its own runtime, like `#[tokio::test]`.
#[doc(hidden)]
pub fn run_scenario<F: Future>(scenario: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(scenario)
}

/// Makes tests of generic scenarios: `scenarios!(sqlite, postgres, mariadb; name_one, name_two);`
/// generates `sqlite::name_one`, `postgres::name_one` and so on, each of which awaits
/// `name_one::<Sqlite>()` etc.
///
/// A scenario is an `async fn name<B: Backend>()` in the same module, and returns `()` or a
/// `Result`. It runs on one thread, as with `#[tokio::test]`. A module calls the macro once.
#[macro_export]
macro_rules! scenarios {
    ($($database:ident),+ $(,)?; $($scenario:ident),+ $(,)?) => {
        $crate::scenarios!(@each [$($database)+] [$($scenario)+]);
    };
    (@each [] $scenarios:tt) => {};
    (@each [$database:ident $($more:ident)*] $scenarios:tt) => {
        $crate::scenarios!(@on $database $scenarios);
        $crate::scenarios!(@each [$($more)*] $scenarios);
    };
    (@on sqlite $scenarios:tt) => { $crate::scenarios!(@tests sqlite Sqlite $scenarios); };
    (@on postgres $scenarios:tt) => { $crate::scenarios!(@tests postgres Postgres $scenarios); };
    (@on mariadb $scenarios:tt) => { $crate::scenarios!(@tests mariadb MariaDb $scenarios); };
    (@tests $database:ident $backend:ident [$($scenario:ident)+]) => {
        mod $database {
            $(
                #[test]
                fn $scenario() -> impl ::std::process::Termination {
                    $crate::run_scenario(super::$scenario::<$crate::$backend>())
                }
            )+
        }
    };
}
