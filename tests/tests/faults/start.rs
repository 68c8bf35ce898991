//! Processes of the driver, and their results.

use std::path::Path;
use std::time::Duration;

use flamingock_tests::Driver;

/// Longer than any run here may take: a process that has not ended by then hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The arguments of a process.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    arguments: Vec<String>,
    program: Vec<String>,
    environment: Vec<(String, String)>,
}

/// The result of a process.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `ok`, or the name of the error; none for a process that was killed.
    pub(crate) result: Option<String>,
    /// Its whole output.
    pub(crate) output: String,
}

impl Start {
    /// A process that runs these changes, with the audit at a URL.
    pub(crate) fn of(changes: &str, audit: &str) -> Start {
        Start {
            arguments: Vec::new(),
            program: Vec::new(),
            environment: Vec::new(),
        }
        .with("--audit", audit)
        .with("--changes", changes)
    }

    pub(crate) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Start {
        self.arguments.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// The changes pause at a point until the file exists.
    pub(crate) fn holding(self, point: &str, file: &Path) -> Start {
        self.with("--hold", format!("{point}={}", file.display()))
    }

    /// Both in milliseconds.
    pub(crate) fn lock(self, lease: u32, wait: u32) -> Start {
        self.with("--lease", lease).with("--wait", wait)
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Start {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Through another program, which starts it.
    pub(crate) fn through(mut self, words: &[&str]) -> Start {
        self.program = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    pub(crate) fn spawn(&self) -> Driver {
        let driver = env!("CARGO_BIN_EXE_fault-driver").to_owned();
        let words: Vec<String> = self.program.iter().cloned().chain([driver]).collect();
        let mut command = tokio::process::Command::new(&words[0]);
        command.args(&words[1..]).args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Driver::spawn(command).unwrap()
    }

    /// Starts, and waits until the changes pause at a point, where they stay until the file exists.
    pub(crate) async fn spawn_held(self, point: &str, file: &Path) -> Driver {
        let mut driver = self.holding(point, file).spawn();
        driver.line(&format!("at {point}"), DEADLINE).await.unwrap();
        driver
    }

    /// The same, and they stay there for ever.
    pub(crate) async fn spawn_stuck(self, point: &str) -> Driver {
        let never = Path::new("/nonexistent/flamingock");
        self.spawn_held(point, never).await
    }

    /// Starts and waits for the end.
    pub(crate) async fn run(&self) -> Ran {
        end_of(self.spawn()).await
    }
}

/// Waits for the end of a process.
pub(crate) async fn end_of(driver: Driver) -> Ran {
    let finished = driver.finish(DEADLINE).await.unwrap();
    let result = finished
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("result: "));
    let ran = Ran {
        result: result.map(str::to_owned),
        output: format!("{}{}", finished.stdout, finished.stderr),
    };
    let killed = finished.status.code().is_none();
    assert!(
        ran.result.is_some() || killed || ran.output.contains("dropped"),
        "it ended without a result:\n{}",
        ran.output
    );
    // The result of a process that ended before it was killed counts as that of a kill.
    if killed {
        Ran {
            result: None,
            ..ran
        }
    } else {
        ran
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(&self, result: &str) -> &Ran {
        assert_eq!(self.result.as_deref(), Some(result), "{}", self.output);
        self
    }

    /// The same, with the preceding events.
    #[track_caller]
    pub(crate) fn expect_after(&self, result: &str, what: &str) -> &Ran {
        assert_eq!(
            self.result.as_deref(),
            Some(result),
            "{what}\n{}",
            self.output
        );
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Ran {
        assert!(
            self.output.contains(text),
            "{text:?} is not in:\n{}",
            self.output
        );
        self
    }
}
