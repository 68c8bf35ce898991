//! `recovery.md`: verified changes and an issue.

mod verified {
    use flamingock::report::Note;
    use flamingock::{BoxError, MemoryStore, Runner, change, changes, verify};

    #[derive(Clone)]
    struct Broker;

    impl Broker {
        async fn streams(&self) -> Result<Vec<String>, BoxError> {
            Ok(vec!["orders".to_owned()])
        }

        async fn create(&self, _: &str) -> Result<(), BoxError> {
            panic!("it exists")
        }
    }

    /// Creates the `orders` stream read by billing and shipping.
    #[change(id = "orders-stream", order = "0001")]
    async fn orders_stream(broker: &Broker) -> Result<(), BoxError> {
        broker.create("orders").await
    }

    #[verify(orders_stream)]
    async fn orders_stream_exists(broker: &Broker) -> Result<bool, BoxError> {
        Ok(broker.streams().await?.iter().any(|name| name == "orders"))
    }

    #[tokio::test]
    async fn first_run_verifies_what_exists() -> Result<(), flamingock::Error> {
        let broker = Broker;
        // The first run on an existing system: changes with a verify function are verified first.
        let report = Runner::new(MemoryStore::new())
            .changes(changes![orders_stream])
            .provide(broker)
            .adopt_verified()
            .run()
            .await?;
        let change = report.changes().next().unwrap();
        assert_eq!(change.notes, [Note::FoundApplied]);
        Ok(())
    }
}

mod issue {
    use flamingock::report::Cause;
    use flamingock::{BoxError, ErrorKind, MemoryStore, Resolution, Runner, change, changes};

    #[change(id = "open-account", order = "0001")]
    async fn open_account() -> Result<(), BoxError> {
        Err("the gateway did not answer".into())
    }

    #[tokio::test]
    async fn issue_is_resolved_once() -> Result<(), flamingock::Error> {
        let runner = Runner::new(MemoryStore::new()).changes(changes![open_account]);

        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ChangesFailed);

        // Every later run: the change does not run again.
        let error = runner.run().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Issues);
        let issue = &runner.issues().await?[0];
        assert_eq!(issue.change_id, "open-account");
        assert_eq!(issue.cause, Cause::Failed);

        let reason = "the gateway shows the account, created at 10:42";
        runner
            .resolve("open-account", Resolution::Applied, reason)
            .await?;
        assert!(runner.run().await?.is_up_to_date());
        Ok(())
    }
}
