//! An error at the commit is not an error of the template's function.

use flamingock_tests::{Backend as _, Postgres, execute, strings, with_table};

use crate::templates::postgres::note_template::{Vault, runner};

const TRIGGER: &str = "
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'nobody keeps %', NEW.what; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON done DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION refuse()";

#[tokio::test]
async fn secret_in_a_refused_commit_is_masked() {
    let database = Postgres::fresh().await;
    let pool = with_table(&database, 1).await;
    execute(&pool, TRIGGER).await;
    let yaml = "template: note\napply: { keep: \"${secret:TOKEN}\" }\n";
    let error = runner(&pool, &[("0001__a.yaml", yaml)])
        .secrets(Vault(Some("hunter2")))
        .run()
        .await
        .unwrap_err();
    let recorded = strings(&pool, "SELECT coalesce(error, '') FROM flamingock_audit").await;
    for text in [
        format!("{error:#}"),
        format!("{error:?}"),
        recorded.concat(),
    ] {
        assert!(text.contains("nobody keeps ${secret:TOKEN}"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
