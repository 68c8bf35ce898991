//! One schedule: concurrent runs, and a final one that finds everything in order.

use std::sync::Arc;
use std::time::Duration;

use flamingock::__private::OpenStorage;
use flamingock::audit::{Entry, HistoryFilter, State};
use flamingock::{
    ChangeReport, Definition, Error, ErrorKind, LockOptions, Outcome, Report, Runner,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::effects::{Effects, Site, can_be_an_issue};
use crate::fates::Fates;
use crate::faulty::{Behind, Flaw, Late, Network};
use crate::process::Process;
use crate::trace::Trace;

/// The longest pause of a waiter between two polls.
const LONGEST_POLL: Duration = Duration::from_secs(1);

/// The number of the final run, which has no network of its own.
const LAST: usize = 9;

/// The schedule.
#[expect(missing_debug_implementations, reason = "it has a function")]
pub struct Schedule<'a> {
    /// The seed that decides everything.
    pub seed: u64,
    /// The service of its runs.
    pub service: String,
    /// The times of the lock.
    pub lock: LockOptions,
    /// The rule that is broken on purpose.
    pub flaw: Option<Flaw>,
    /// The additional time that a machine may take.
    pub slack: Duration,
    /// The changes to apply.
    pub changes: Vec<&'static Definition>,
    /// The store that a process opens when it starts, by its number.
    pub open: &'a (dyn Fn(usize) -> Box<dyn OpenStorage> + Sync),
}

/// The result of a run: none if it was killed.
type End = Option<Result<Report, Error>>;

struct Ended {
    end: End,
    took: Duration,
    /// The time until it had the lock, or had ended without it.
    waited: Duration,
}

impl Schedule<'_> {
    /// No run waits longer than documented, and every run ends.
    fn check_time(&self, process: &Process, ended: &Ended, stated: Duration, trace: &Trace) {
        let longest = process.held_up() + stated + LONGEST_POLL + self.slack;
        if ended.waited > longest {
            let (name, waited) = (process.name, ended.waited);
            trace.late(format!(
                "run {name} waited {waited:?}, longer than {longest:?}"
            ));
        }
        let longest = longest + self.lock.lease + self.slack * 9;
        if ended.took > longest {
            let (name, took) = (process.name, ended.took);
            trace.late(format!("run {name} took {took:?}, longer than {longest:?}"));
        }
    }

    /// Plays the schedule, and returns the entries of the audit. The trace then contains the broken
    /// rules.
    ///
    /// # Panics
    ///
    /// Fails if the audit cannot be read at the end.
    pub async fn play(&self, trace: &Arc<Trace>) -> Vec<Entry> {
        let mut random = StdRng::seed_from_u64(self.seed.rotate_left(32));
        let late = Arc::new(Late::default());
        let effects = Effects::new(trace);
        let processes = random.random_range(2..=3);
        let mut runs = Vec::new();
        for name in 0..processes {
            let offset = self.lock.lease.mul_f64(random.random_range(0.0..1.5));
            let fates = Fates::new(
                self.seed,
                self.lock.lease,
                name != 0 || random.random_bool(0.5),
            );
            let process = Process::new(name, fates, trace);
            let run = self.run(&process, &late, &effects, self.lock);
            runs.push((
                name,
                process,
                tokio::spawn(async move {
                    tokio::time::sleep(offset).await;
                    run.await
                }),
            ));
        }
        let mut ends = Vec::new();
        for (name, process, run) in runs {
            let ended = run.await.unwrap();
            process.note(|| format!("ended after {:?}: {}", ended.took, text_of(&ended.end)));
            self.check_time(&process, &ended, self.lock.wait, trace);
            ends.push((name, ended.end));
        }
        late.arrived().await;

        // If only the end is checked, a slow machine must not lose a lease.
        let in_peace = LockOptions::default().poll(self.lock.poll);
        let last = Process::new(LAST, Fates::none(self.lock.lease), trace);
        let ended = self.run(&last, &late, &effects, in_peace).await;
        last.note(|| {
            format!(
                "the last run ended after {:?}: {}",
                ended.took,
                text_of(&ended.end)
            )
        });
        // The lock's owner has ended.
        self.check_time(&last, &ended, self.lock.lease, trace);
        // No other run exists, and a failed attempt can be repeated.
        let end = match ended.end {
            Some(Err(error)) if error.kind() == ErrorKind::ChangesFailed => {
                self.run(&last, &late, &effects, in_peace).await.end
            }
            end => end,
        };
        ends.push((LAST, end));
        let runner = Runner::new(Behind {
            storage: (self.open)(LAST),
            network: Network {
                flaw: None,
                process: Arc::clone(&last),
                late: Arc::clone(&late),
            },
        });
        let entries = runner
            .service(&self.service)
            .history(&HistoryFilter::default())
            .await;
        let entries = entries.unwrap();
        self.check(&entries, &ends, &effects, trace);
        entries
    }

    fn run(
        &self,
        process: &Arc<Process>,
        late: &Arc<Late>,
        effects: &Arc<Effects>,
        lock: LockOptions,
    ) -> impl Future<Output = Ended> + Send + 'static {
        let network = Network {
            flaw: self.flaw,
            process: Arc::clone(process),
            late: Arc::clone(late),
        };
        let storage = (self.open)(process.name);
        let site = Site {
            process: Arc::clone(process),
            effects: Arc::clone(effects),
        };
        let run = Runner::new(Behind { storage, network })
            .service(&self.service)
            .changes(self.changes.iter().copied())
            .provide(site)
            .lock(lock)
            .run_in_place(format!("{:016x}{:016x}", self.seed, process.name));
        let process = Arc::clone(process);
        async move {
            let began = Instant::now();
            let end = process.run(run).await;
            let waited = process.obtained().unwrap_or_else(Instant::now);
            Ended {
                end,
                took: began.elapsed(),
                waited: waited.saturating_duration_since(began),
            }
        }
    }

    /// The rules that hold in every schedule.
    fn check(&self, entries: &[Entry], ends: &[(usize, End)], effects: &Effects, trace: &Trace) {
        for entry in entries {
            trace.note(|| {
                let (of, said) = (entry.change_id.as_deref().unwrap_or_default(), &entry.state);
                format!(
                    "{} token {} run {} {of} {said}",
                    entry.seq, entry.fencing_token, entry.run_id
                )
            });
        }
        for pair in entries.windows(2) {
            let (one, next) = (&pair[0], &pair[1]);
            let is_ordered = one.fencing_token < next.fencing_token
                || (one.fencing_token == next.fencing_token && one.run_id == next.run_id);
            if !is_ordered {
                let (token, seq) = (next.fencing_token, next.seq);
                trace.wrong(format!(
                    "entry {seq}, token {token}, follows one of token {}",
                    one.fencing_token
                ));
            }
        }
        let (_, last) = &ends[ends.len() - 1];
        let report = match last {
            Some(Ok(report)) => Some(report),
            Some(Err(error)) if error.kind() == ErrorKind::Issues => error.report(),
            _ => None,
        };
        let Some(report) = report else {
            trace.late(format!("the last run did not end well: {}", text_of(last)));
            return;
        };
        for change in &self.changes {
            let of_change = || {
                entries
                    .iter()
                    .filter(|entry| entry.change_id.as_deref() == Some(change.id))
            };
            let applied = of_change()
                .filter(|entry| entry.state == State::Applied)
                .count();
            if applied > 1 {
                trace.wrong(format!("\"{}\" is APPLIED {applied} times", change.id));
            }
            let (there, may_be_more) = effects.count(change.id);
            let reported = report.changes().find(|one| one.id == change.id);
            let is_issue = reported.is_some_and(|one| one.issue.is_some());
            let is_behind_an_issue = reported
                .is_some_and(|one| matches!(one.outcome, Outcome::NotReached | Outcome::Blocked));
            match applied {
                0 if is_issue => {
                    self.check_issue(change.id, &of_change().collect::<Vec<_>>(), ends, trace);
                }
                0 if is_behind_an_issue => {}
                0 => trace.wrong(format!("\"{}\" is neither applied nor an issue", change.id)),
                _ if is_issue => trace.wrong(format!("\"{}\" is applied, and an issue", change.id)),
                // Its effect is in a database.
                _ if change.body.transaction => {}
                _ => {
                    let once = there == 1 || (there > 1 && (may_be_more || change.id == "retried"));
                    if !once {
                        trace.wrong(format!(
                            "\"{}\" is applied, and there {there} times",
                            change.id
                        ));
                    }
                }
            }
        }
        for (name, end) in ends {
            self.check_end(*name, end, entries, trace);
        }
    }

    /// There is an issue only if the run could not determine the outcome of its attempt, or
    /// reported it.
    fn check_issue(
        &self,
        change: &str,
        of_change: &[&Entry],
        ends: &[(usize, End)],
        trace: &Trace,
    ) {
        let Some(latest) = of_change.last() else {
            trace.wrong(format!("\"{change}\" is an issue and was never begun"));
            return;
        };
        let of_run = ends
            .iter()
            .find(|(name, _)| latest.run_id.ends_with(&format!("{name:016x}")));
        let knows = match of_run {
            Some((_, Some(Ok(_)))) => true,
            Some((_, Some(Err(error)))) if error.kind() == ErrorKind::ChangesFailed => {
                let mut changes = error.report().into_iter().flat_map(Report::changes);
                !changes.any(|one| one.id == change && one.issue.is_some())
            }
            _ => false,
        };
        if knows || !can_be_an_issue(change) {
            trace.wrong(format!(
                "\"{change}\" is an issue, and nothing may be half done"
            ));
        }
    }

    /// A change that is reported as applied is applied.
    fn check_end(&self, name: usize, end: &End, entries: &[Entry], trace: &Trace) {
        let report = match end {
            Some(Ok(report)) => Some(report),
            Some(Err(error)) => error.report(),
            None => None,
        };
        let applied = |id: &str| {
            let is_it = |entry: &&Entry| {
                entry.change_id.as_deref() == Some(id) && entry.state == State::Applied
            };
            entries.iter().any(|entry| is_it(&entry))
        };
        for change in report.into_iter().flat_map(Report::changes) {
            let says = matches!(
                change.outcome,
                Outcome::NewlyApplied | Outcome::AlreadyApplied
            );
            if says && !applied(&change.id) {
                trace.wrong(format!("run {name} says that \"{}\" is applied", change.id));
            }
        }
        if matches!(end, Some(Ok(_))) && !self.changes.iter().all(|change| applied(change.id)) {
            trace.wrong(format!(
                "run {name} has succeeded, and not everything is applied"
            ));
        }
    }
}

/// Without times, which differ between two plays of the same seed.
fn text_of(end: &End) -> String {
    let (how, report) = match end {
        None => return "killed".to_owned(),
        Some(Ok(report)) => ("ok".to_owned(), Some(report)),
        Some(Err(error)) => {
            let source = std::error::Error::source(error);
            let source = source
                .map(|source| format!(" ({source})"))
                .unwrap_or_default();
            (format!("{}{source}", error.kind()), error.report())
        }
    };
    let change = |one: &ChangeReport| format!("{} {:?}", one.id, one.outcome);
    let changes: Vec<String> = report
        .into_iter()
        .flat_map(Report::changes)
        .map(change)
        .collect();
    format!("{how}: {}", changes.join(", "))
}
