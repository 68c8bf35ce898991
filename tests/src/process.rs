//! A driver binary as a child process that a test can kill, pause and watch.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A running child process. Dropping it kills it.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    pid: u32,
    stdout: Lines,
    stderr: Lines,
    /// The number of lines of standard output that were already matched.
    read: usize,
}

/// The exit status and output of a child.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Driver {
    /// Starts a program, such as `env!("CARGO_BIN_EXE_..")`, with arguments.
    ///
    /// # Errors
    ///
    /// Fails if it can't be started.
    pub fn start<'a>(
        program: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn(command)
    }

    /// Starts a command, with its output collected here.
    ///
    /// # Errors
    ///
    /// Fails if it can't be started.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let pid = child
            .id()
            .expect("a child that was not waited for has an id");
        let stdout = Lines::collect(child.stdout.take().expect("a pipe"));
        let stderr = Lines::collect(child.stderr.take().expect("a pipe"));
        Ok(Self {
            child,
            pid,
            stdout,
            stderr,
            read: 0,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Kills it with SIGKILL. [`finish`](Self::finish) waits until it has ended.
    ///
    /// # Errors
    ///
    /// Fails if it has ended already.
    pub fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Pauses it (SIGSTOP).
    ///
    /// # Errors
    ///
    /// Fails if it has ended already.
    pub fn pause(&mut self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Resumes it (SIGCONT).
    ///
    /// # Errors
    ///
    /// Fails if it has ended already.
    pub fn resume(&mut self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Requests it to end (SIGTERM), like a platform that replaces an instance.
    ///
    /// # Errors
    ///
    /// Fails if it has ended already.
    pub fn terminate(&mut self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        // The id may belong to another process once this one has ended and was waited for.
        let id = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the child is gone"))?;
        Ok(kill_process(id, signal)?)
    }

    /// Waits for the next line of its standard output that contains `text`, and returns it.
    ///
    /// # Errors
    ///
    /// Fails if the child's output ends or the time is over before that; the error has its whole
    /// output.
    pub async fn line(&mut self, text: &str, limit: Duration) -> io::Result<String> {
        match timeout(limit, self.stdout.find(&mut self.read, text)).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.failure(io::ErrorKind::UnexpectedEof, text)),
            Err(_) => Err(self.failure(io::ErrorKind::TimedOut, text)),
        }
    }

    /// Waits for its end and returns its whole output.
    ///
    /// # Errors
    ///
    /// Fails if the time is over before that; the child is killed then, and the error has its whole
    /// output.
    pub async fn finish(mut self, limit: Duration) -> io::Result<Finished> {
        let Ok(status) = timeout(limit, self.child.wait()).await else {
            return Err(self.failure(io::ErrorKind::TimedOut, "the child's end"));
        };
        // Its own children that outlive it may keep the pipes open.
        let pipes = async { tokio::join!(self.stdout.end(), self.stderr.end()) };
        let _ = timeout(Duration::from_secs(5), pipes).await;
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        Ok(Finished {
            status: status?,
            stdout,
            stderr,
        })
    }

    fn failure(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        io::Error::new(
            kind,
            format!("waited for: {what}\nstdout:\n{stdout}stderr:\n{stderr}"),
        )
    }
}

/// The lines of one pipe, collected as they arrive.
#[derive(Debug)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    /// The number of lines; closed at the end of the pipe.
    count: watch::Receiver<usize>,
    collector: JoinHandle<()>,
}

impl Lines {
    fn collect(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (sender, count) = watch::channel(0);
        let collected = Arc::clone(&lines);
        let collector = tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                let mut lines = collected.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches('\n')
                        .to_owned(),
                );
                sender.send_replace(lines.len());
                line.clear();
            }
        });
        Self {
            lines,
            count,
            collector,
        }
    }

    async fn find(&mut self, read: &mut usize, text: &str) -> Option<String> {
        loop {
            while let Some(line) = self.get(*read) {
                *read += 1;
                if line.contains(text) {
                    return Some(line);
                }
            }
            let seen = *read;
            self.count.wait_for(|count| *count > seen).await.ok()?;
        }
    }

    fn get(&self, index: usize) -> Option<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(index)
            .cloned()
    }

    async fn end(&mut self) {
        let _ = (&mut self.collector).await;
    }

    fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}
