//! Secrets: named in a file, and never written anywhere.

use flamingock::{BoxError, Outcome};
use flamingock_tests::{Backend as _, done, strings, with_table};
use sqlx::Pool;

use super::note_template::{Vault, runner};
use super::{Backend, Db, Logged};

/// Has a character that JSON escapes.
const VALUE: &str = "hunter\"2";

/// All records as one text.
async fn recorded(pool: &Pool<Db>) -> String {
    let columns = "SELECT state, coalesce(error, '-'), coalesce(reason, '-'), description, \
                   coalesce(metadata, '-'), location FROM flamingock_audit ORDER BY seq";
    let lease = "SELECT coalesce(activity, '-') FROM flamingock_lease";
    let mut rows = strings(pool, columns).await;
    rows.extend(strings(pool, lease).await);
    rows.join("\n")
}

async fn is_never_told(head: &str, payload: &str) -> Result<(), BoxError> {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = format!(
        "template: note\n{head}\nsteps:\n- apply: {{ add: a }}\n  rollback: {{ remove: a }}\n- apply: {payload}\n  rollback: {payload}\n"
    );
    let logged = Logged::default();
    let guard = logged.listen();
    let heard = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let listening = std::sync::Arc::clone(&heard);
    let error = runner(&pool, &[("0001__a.yaml", &yaml)])
        .secrets(Vault(Some(VALUE)))
        .listener(move |event: &flamingock::events::Event| {
            let mut heard = listening.lock().unwrap();
            heard.push_str(&serde_json::to_string(event).unwrap());
            heard.push_str(&format!("{event} {event:?}"));
        })
        .run()
        .await
        .unwrap_err();
    drop(guard);
    let report = serde_json::to_string(error.report().unwrap())?;
    let places = [
        ("the audit", recorded(&pool).await),
        ("the log", logged.text()),
        ("a listener", heard.lock().unwrap().clone()),
        ("the error", format!("{error:#} {error:?}")),
        ("the report", report),
    ];
    for (place, text) in places {
        assert!(!text.contains("hunter"), "{place} of {head:?}: {text}");
        assert!(
            text.contains("${secret:TOKEN}"),
            "{place} of {head:?}: {text}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn secret_in_an_error_reaches_no_audit_log_listener_or_report() -> Result<(), BoxError> {
    for head in ["", "transaction: false"] {
        is_never_told(head, "{ tell: \"${secret:TOKEN}\" }").await?;
    }
    Ok(())
}

#[tokio::test]
async fn secret_in_a_panic_reaches_no_audit_log_listener_or_report() -> Result<(), BoxError> {
    for head in ["", "transaction: false"] {
        is_never_told(head, "{ shout: \"Bearer ${secret:TOKEN}\" }").await?;
    }
    Ok(())
}

#[tokio::test]
async fn change_with_an_unknown_secret_is_not_started() {
    let database = Backend::fresh().await;
    let pool = with_table(&database, 1).await;
    let yaml = "template: note\ntransaction: false\napply: { add: a }\nrollback: { tell: \"${secret:TOKEN}\" }\n";
    let files = [("0001__a.yaml", yaml)];
    let error = runner(&pool, &files)
        .secrets(Vault(None))
        .run()
        .await
        .unwrap_err();
    let change = error.report().unwrap().changes().next().unwrap();
    assert_eq!(change.outcome, Outcome::NotReached);
    let causes = change.error.as_ref().unwrap().causes();
    assert_eq!(
        causes,
        [
            "the change did not run: a secret that it takes is not known",
            "the secret `TOKEN` could not be looked up",
            "the vault has no TOKEN",
        ]
    );
    assert_eq!(
        strings(&pool, "SELECT state FROM flamingock_audit").await,
        [""; 0]
    );

    // In the environment, which is the default.
    let error = runner(&pool, &files).run().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("the variable `TOKEN` is not set"), "{text}");

    runner(&pool, &files)
        .secrets(Vault(Some(VALUE)))
        .run()
        .await
        .unwrap();
    assert_eq!(done(&pool).await, ["a"]);
    // An applied change does not need its secrets any more.
    assert!(
        runner(&pool, &files)
            .secrets(Vault(None))
            .run()
            .await
            .unwrap()
            .is_up_to_date()
    );
}
