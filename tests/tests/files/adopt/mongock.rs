//! Mongock's history comes as a file, because its store is MongoDB.

use flamingock::adopt::Adoption;
use flamingock::{MemoryStore, Runner, change, changes};

#[change(id = "create-users", order = "001", register = false)]
async fn create_users() {
    panic!("it was applied long ago");
}

#[change(id = "create-orders", order = "002", register = false)]
async fn create_orders() {}

const EXPORT: &str = r#"[
  {"executionId":"2024-01-31T12:00:00-1","changeId":"create-users","author":"ada","timestamp":{"$date":"2024-01-31T12:00:00.000Z"},"state":"EXECUTED","type":"EXECUTION","changeLogClass":"app.Users","changeSetMethod":"apply","executionMillis":{"$numberLong":"7"},"systemChange":false},
  {"executionId":"2024-01-31T12:00:00-1","changeId":"create-orders","author":"ada","timestamp":{"$date":"2024-01-31T12:00:01.000Z"},"state":"ROLLED_BACK","type":"EXECUTION","changeLogClass":"app.Orders","changeSetMethod":"apply","executionMillis":{"$numberLong":"7"},"systemChange":false}
]"#;

#[tokio::test]
async fn change_applied_by_mongock_is_not_applied_again() {
    let store = MemoryStore::new();
    let runner = || Runner::new(&store).changes(changes![create_users, create_orders]);
    let adopted = runner().adopt(&Adoption::mongock(EXPORT)).await.unwrap();
    assert_eq!(adopted.adopted.len(), 1);
    assert_eq!(adopted.adopted[0].change_id, "create-users");
    let at = adopted.adopted[0].past.applied_at.as_deref();
    assert_eq!(at, Some("2024-01-31T12:00:00.000Z"));
    assert_eq!(adopted.not_in_history, ["create-orders"]);
    let counts = runner().run().await.unwrap().counts();
    assert_eq!((counts.already_applied, counts.newly_applied), (1, 1));
}

#[tokio::test]
async fn history_table_needs_a_database() {
    let runner = Runner::new(MemoryStore::new()).changes(changes![create_users]);
    let adoption = Adoption::of(flamingock::adopt::Tool::Sqlx);
    let error = format!("{:#}", runner.adopt(&adoption).await.unwrap_err());
    assert!(error.contains("is no database of sqlx"), "{error}");
}
