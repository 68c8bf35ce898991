//! The recipes on the page about Kubernetes: the command of each container is started as a process,
//! it is asked whether it is ready at the stated times, and SIGTERM ends it within the stated time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use flamingock_tests::servers::free_port;
use flamingock_tests::{Driver, cargo, until};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};
use sqlx::SqlitePool;
use tempfile::TempDir;

use super::examples::get_path;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let manifest = cargo::workspace().join("Cargo.toml");
    let mut built: HashMap<String, PathBuf> = cargo::build(&manifest, &["-p", "kubernetes"]);
    built.remove("kubernetes").unwrap()
});

/// Reads a file of the page.
fn recipe(name: &str) -> Value {
    let path = cargo::workspace().join("tests/snippets/deploy").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let mut events = Parser::new_from_str(&text).map(|event| event.unwrap().0);
    let begins = |event: &Event<'_>| !matches!(event, Event::StreamStart | Event::DocumentStart(_));
    let first = events.find(begins).unwrap();
    value(first, &mut events)
}

/// Reads the value that begins with an event.
fn value<'a>(first: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match first {
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => return Value::Array(items),
                    item => items.push(value(item, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut fields = Map::new();
            loop {
                match events.next().unwrap() {
                    Event::MappingEnd => return Value::Object(fields),
                    Event::Scalar(key, ..) => {
                        let first = events.next().unwrap();
                        fields.insert(key.into_owned(), value(first, events));
                    }
                    other => panic!("no key: {other:?}"),
                }
            }
        }
        other => panic!("no value: {other:?}"),
    }
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(number(value))
}

/// A node with a volume, on which the secrets name the database.
struct Node {
    folder: TempDir,
    /// How long the second change takes.
    warm_up: u64,
}

/// A container that runs.
struct Container {
    process: Driver,
    port: u16,
}

impl Node {
    fn new(warm_up: u64) -> Node {
        let folder = TempDir::new().unwrap();
        Node { folder, warm_up }
    }

    fn url(&self) -> String {
        format!(
            "sqlite://{}",
            self.folder.path().join("orders.db").display()
        )
    }

    /// Starts the command of a container.
    fn start(&self, container: &Value) -> Container {
        let port = free_port().unwrap();
        let mut command = std::process::Command::new(&*PROGRAM);
        command
            .current_dir(self.folder.path())
            .env_remove("FLAMINGOCK_MODE")
            // The port of the container is another one on this host.
            .env("PORT", port.to_string())
            .env("WARM_UP_SECONDS", self.warm_up.to_string());
        for argument in container["args"].as_array().unwrap() {
            command.arg(argument.as_str().unwrap());
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let text = |name: &str| variable[name].as_str().unwrap();
            command.env(text("name"), text("value"));
        }
        for secret in container["envFrom"].as_array().unwrap() {
            let name = secret["secretRef"]["name"].as_str().unwrap();
            assert!(name.starts_with("orders-"), "{name}");
            command.env("DATABASE_URL", format!("{}?mode=rwc", self.url()));
        }
        let process = Driver::spawn(command.into()).unwrap();
        Container { process, port }
    }

    /// Waits until the second change is running.
    async fn until_warming_up(&self) {
        until("the second change has begun", async || {
            let Ok(pool) = SqlitePool::connect(&self.url()).await else {
                return false;
            };
            let started = "SELECT count(*) FROM flamingock_audit
                           WHERE change_id = 'warm-up' AND state = 'STARTED'";
            let started = sqlx::query_scalar::<_, i64>(started).fetch_one(&pool).await;
            started.is_ok_and(|count| count > 0)
        })
        .await;
    }
}

impl Container {
    /// Asks whether it is ready until it is, as often as it is stated.
    async fn until_ready(&self, check: &Value) {
        let period = seconds(&check["periodSeconds"]);
        for _ in 0..number(&check["failureThreshold"]) {
            if self.answers(check) {
                return;
            }
            tokio::time::sleep(period).await;
        }
        panic!("the container would be killed");
    }

    fn answers(&self, check: &Value) -> bool {
        let path = check["httpGet"]["path"].as_str().unwrap();
        let answer = get_path(&format!("127.0.0.1:{}", self.port), path);
        answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    /// Sends SIGTERM, and returns the exit code and the output of the process, which must end in
    /// time.
    async fn terminate(mut self, pod: &Value) -> (Option<i32>, String) {
        self.process.terminate().unwrap();
        let grace = match &pod["terminationGracePeriodSeconds"] {
            Value::Null => Duration::from_secs(30),
            stated => seconds(stated),
        };
        self.end(grace).await
    }

    async fn end(self, limit: Duration) -> (Option<i32>, String) {
        let finished = self.process.finish(limit).await.unwrap();
        let text = format!("{}{}", finished.stdout, finished.stderr);
        (finished.status.code(), text)
    }
}

/// Longer than any command takes.
const SOON: Duration = Duration::from_secs(60);

fn container(pod: &Value) -> &Value {
    &pod["containers"][0]
}

#[tokio::test]
async fn deployment_applies_once_at_the_start_and_its_pods_end_in_time() {
    let recipe = recipe("deployment-startup.yaml");
    let pod = &recipe["spec"]["template"]["spec"];
    let container = container(pod);
    let node = Node::new(2);
    let replicas = number(&recipe["spec"]["replicas"]);
    let containers: Vec<Container> = (0..replicas).map(|_| node.start(container)).collect();
    // No pod is ready before.
    assert!(!containers[0].answers(&container["readinessProbe"]));
    let mut applied = 0;
    for one in &containers {
        one.until_ready(&container["startupProbe"]).await;
        assert!(one.answers(&container["readinessProbe"]));
    }
    for one in containers {
        let (code, text) = one.terminate(pod).await;
        assert_eq!(code, Some(0), "{text}");
        applied += usize::from(text.contains("orders: 2 newly applied"));
    }
    assert_eq!(applied, 1);
}

#[tokio::test]
async fn pod_that_is_stopped_during_its_changes_ends_in_time_and_the_next_one_starts() {
    let recipe = recipe("deployment-startup.yaml");
    let pod = &recipe["spec"]["template"]["spec"];
    let container = container(pod);
    let node = Node::new(4);
    let stopped = node.start(container);
    node.until_warming_up().await;
    let began = Instant::now();
    let (code, text) = stopped.terminate(pod).await;
    // What cannot be rolled back may finish.
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("orders: 2 newly applied"), "{text}");
    assert!(began.elapsed() < seconds(&pod["terminationGracePeriodSeconds"]));
    let next = node.start(container);
    next.until_ready(&container["startupProbe"]).await;
    let (code, text) = next.terminate(pod).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("up to date, 2 changes applied"), "{text}");
}

#[tokio::test]
async fn job_and_init_container_apply_and_pods_only_check() {
    let deployment = recipe("deployment-check.yaml");
    let pod = &deployment["spec"]["template"]["spec"];
    let job = recipe("job.yaml");
    let job = container(&job["spec"]["template"]["spec"]).clone();
    let init = recipe("init-container.yaml")["initContainers"][0].clone();
    for applies in [&job, &init] {
        let node = Node::new(0);
        let (code, text) = node.start(container(pod)).end(SOON).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("2 changes are pending"), "{text}");
        for told in ["2 newly applied", "up to date"] {
            let (code, text) = node.start(applies).end(SOON).await;
            assert_eq!(code, Some(0), "{text}");
            assert!(text.contains(told), "{text}");
        }
        let serving = node.start(container(pod));
        until("the pod serves", async || {
            serving.answers(&recipe("deployment-startup.yaml")["spec"]["template"]["spec"]["containers"][0]["readinessProbe"])
        })
        .await;
        let (code, text) = serving.terminate(pod).await;
        assert_eq!(code, Some(0), "{text}");
    }
}

#[tokio::test]
async fn job_that_needs_manual_resolution_is_not_tried_again() {
    let job = recipe("job.yaml");
    let pod = &job["spec"]["template"]["spec"];
    let node = Node::new(3600);
    let mut killed = node.start(container(pod));
    node.until_warming_up().await;
    killed.process.kill().unwrap();
    killed.end(SOON).await;
    // The lease would end by itself.
    let mut release = container(pod).clone();
    release["args"] = serde_json::json!(["lock", "release", "--reason", "its pod was killed"]);
    let (code, text) = node.start(&release).end(SOON).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = node.start(container(pod)).end(SOON).await;
    let rule = &job["spec"]["podFailurePolicy"]["rules"][0];
    assert_eq!(rule["action"].as_str(), Some("FailJob"));
    let codes = rule["onExitCodes"]["values"].as_array().unwrap();
    let codes: Vec<i32> = codes
        .iter()
        .map(|code| i32::try_from(number(code)).unwrap())
        .collect();
    assert!(codes.contains(&code.unwrap()), "{code:?} {text}");
    assert!(text.contains("manual resolution is needed"), "{text}");
}
