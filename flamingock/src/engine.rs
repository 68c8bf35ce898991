//! A run from its beginning to its end: the one place that knows the order of things.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tracing::Instrument;

use crate::audit::{Claim, Facts, Snapshot, Store, StoreError, StoreErrorKind};
use crate::call::{Signals, Stop};
use crate::change::Definition;
use crate::error::Error;
use crate::execute::{Executed, Executor, Fate};
use crate::lock::{Holder, Lease, OnLockTimeout, next_pause};
use crate::manifest;
use crate::pipeline::{Pipeline, Problem};
use crate::plan::{Decision, Note, Plan, Step};
use crate::preflight::{self, Targets};
use crate::registry;
use crate::report::{ChangeReport, MissingChange, Outcome, Report, StageReport};
use crate::runner::{Mode, Rule, Settings};
use crate::tables::StorageSettings;
use crate::target::DEFAULT;

/// The format of what the pipeline's digest covers.
const DIGEST_FORMAT: &str = "1";

/// The longest name of a service, in characters.
const LONGEST_SERVICE: usize = 190;

/// How often a waiter says whom it waits for.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// A run whose settings are found right.
struct Prepared {
    settings: Settings,
    mode: Mode,
    pipeline: Pipeline,
    targets: Targets,
    store: Arc<dyn Store>,
    digest: String,
    facts: Arc<Facts>,
    run_id: String,
    began: Instant,
}

/// Runs what is pending.
pub(crate) async fn run(settings: Settings, signals: Signals) -> Result<Report, Error> {
    let prepared = Prepared::new(settings).map_err(Error::Invalid)?;
    let span = tracing::info_span!(
        "flamingock",
        service = prepared.settings.service,
        run_id = prepared.run_id
    );
    async {
        let result = prepared.run(&signals).await;
        match &result {
            Ok(report) if report.is_up_to_date() => tracing::debug!("{report}"),
            Ok(report) => tracing::info!("{report}"),
            Err(error) => tracing::error!("{error}"),
        }
        result
    }
    .instrument(span)
    .await
}

impl Prepared {
    /// Finds everything that is wrong before anything is touched.
    fn new(mut settings: Settings) -> Result<Prepared, Vec<Problem>> {
        let mut problems = check_settings(&settings);
        let mode = settings.mode().unwrap_or_else(|problem| {
            problems.push(problem);
            Mode::Off
        });
        let (definitions, pipeline) = pipeline(&settings, &mut problems);
        if let Some(committed) = &settings.manifest
            && let Err(found) = manifest::check(&pipeline, committed)
        {
            problems.extend(found);
        }
        let storage_settings =
            StorageSettings { tables: settings.tables.clone(), lock: settings.lock };
        let opened = settings.storage.open(&storage_settings);
        let storage = match opened {
            Ok(storage) => storage,
            Err(found) => {
                problems.extend(found);
                return Err(problems);
            }
        };
        let mut given = std::mem::take(&mut settings.targets);
        for target in &mut given {
            target.database =
                target.database.as_ref().map(|database| database.configured(&storage_settings));
        }
        let targets = preflight::targets(storage.target, given, &mut problems);
        let selected: Vec<&'static Definition> =
            definitions.into_iter().filter(|change| settings.selects(change)).collect();
        problems.extend(preflight::check(&selected, &targets, &settings.values));
        if !problems.is_empty() {
            return Err(problems);
        }
        let policy = settings.policy.text();
        let salt = [DIGEST_FORMAT, settings.service.as_str(), policy.as_str()];
        let digest = pipeline.digest(&salt, |change| settings.selects(change));
        Ok(Prepared {
            mode,
            pipeline,
            targets,
            store: storage.store,
            digest,
            facts: Arc::new(facts(&settings)),
            run_id: format!("{:032x}", rand::random::<u128>()),
            began: Instant::now(),
            settings,
        })
    }

    async fn run(&self, signals: &Signals) -> Result<Report, Error> {
        if self.mode == Mode::Off {
            let plan = Plan::make(&self.pipeline, |change| self.settings.selects(change), vec![]);
            return Ok(self.report(&plan, &Vec::new()));
        }
        let lease = match self.wait_for_the_lock(signals).await? {
            Waited::Ended(report) => return Ok(*report),
            Waited::Obtained(lease) => lease,
        };
        self.run_locked(lease, signals).await
    }

    /// Looks, and takes the lock as soon as there is something to do and nobody has it.
    async fn wait_for_the_lock(&self, signals: &Signals) -> Result<Waited, Error> {
        let deadline = self.began + self.settings.lock.wait;
        let mut pause = self.settings.lock.poll;
        let mut waiting = Waiting::default();
        loop {
            let snapshot = match self.store.snapshot(&self.settings.service, &self.digest).await {
                Ok(snapshot) => snapshot,
                // A waiter bears with a database that restarts.
                Err(error)
                    if waiting.since.is_some()
                        && error.kind == StoreErrorKind::Disconnected
                        && Instant::now() < deadline =>
                {
                    tokio::time::sleep(pause).await;
                    pause = next_pause(pause);
                    continue;
                }
                Err(error) => return Err(Error::store(error)),
            };
            let plan = self.plan(&snapshot)?;
            if let Some(ended) = self.without_the_lock(&snapshot, &plan)? {
                return Ok(Waited::Ended(Box::new(ended)));
            }
            if !snapshot.is_held()
                && let Some(lease) = self.take_the_lock(&snapshot, signals).await?
            {
                return Ok(Waited::Obtained(lease));
            }
            if signals.now() != Stop::No {
                return Err(Error::Cancelled(Box::new(self.report(&plan, &Vec::new()))));
            }
            if Instant::now() >= deadline {
                return self.not_obtained(snapshot, &plan);
            }
            waiting.tell(&snapshot);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = signals.wait(|stop| *stop != Stop::No) => {}
            }
            pause = next_pause(pause);
        }
    }

    fn plan(&self, snapshot: &Snapshot) -> Result<Plan, Error> {
        let selects = |change: &Definition| self.settings.selects(change);
        if snapshot.up_to_date {
            return Ok(Plan::complete(&self.pipeline, selects));
        }
        let mut plan = Plan::make(&self.pipeline, selects, snapshot.newest.clone());
        self.judge(&mut plan).map_err(Error::Invalid)?;
        Ok(plan)
    }

    /// Applies the policy: what is allowed is not noted, what is denied is a problem.
    fn judge(&self, plan: &mut Plan) -> Result<(), Vec<Problem>> {
        let policy = self.settings.policy;
        let mut problems = Vec::new();
        for step in plan.stages.iter_mut().flatten() {
            let definition = step.definition;
            step.notes.retain(|note| {
                let rule = match note {
                    Note::Drifted { .. } => policy.drift,
                    Note::OutOfOrder { .. } => policy.out_of_order,
                    Note::Retried { .. } | Note::CommittedMidway | Note::FoundApplied => Rule::Warn,
                };
                if rule == Rule::Deny {
                    let message = format!("the change \"{}\": {note}", definition.id);
                    problems.push(Problem::at(definition.location(), message));
                }
                rule != Rule::Allow
            });
        }
        match policy.missing {
            Rule::Allow => plan.missing.clear(),
            Rule::Warn => {}
            Rule::Deny => problems.extend(plan.missing.iter().map(|entry| {
                Problem::general(format!(
                    "the change \"{}\" is applied, but not in this binary",
                    entry.change_id
                ))
            })),
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What ends without the lock: nothing to do, nothing that may be done, or only a look.
    fn without_the_lock(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
    ) -> Result<Option<Report>, Error> {
        let report = || self.report(plan, &Vec::new());
        if plan.is_settled() {
            return Ok(Some(report()));
        }
        match self.mode {
            Mode::Check => return Err(Error::Pending(Box::new(report()))),
            Mode::Plan => return Ok(Some(report())),
            Mode::Apply | Mode::Off => {}
        }
        // Under a live lease an attempt that seems to be interrupted may be running.
        if !snapshot.is_held() && !plan.has_work(&self.pipeline) {
            return Err(Error::Issues(Box::new(report())));
        }
        Ok(None)
    }

    async fn take_the_lock(
        &self,
        snapshot: &Snapshot,
        signals: &Signals,
    ) -> Result<Option<Lease>, Error> {
        let service = &self.settings.service;
        self.refuse_a_second_history(snapshot).await?;
        if !snapshot.tables {
            if !self.settings.create_tables {
                return Err(Error::store(StoreError::new(
                    StoreErrorKind::MissingTable,
                    "the tables of the audit are not there, and `create_tables(false)` keeps the run from creating them",
                    "create them by hand, or let one run create them",
                )));
            }
            self.store.create(service).await.map_err(Error::store)?;
        } else if snapshot.lock.is_none() {
            self.store.register(service).await.map_err(Error::store)?;
        }
        let claim = Claim {
            service: service.clone(),
            run_id: self.run_id.clone(),
            owner: self.owner(),
            lease: self.settings.lock.lease,
            force: false,
        };
        let obtained = self.store.acquire(&claim).await.map_err(Error::store)?;
        Ok(obtained.map(|possession| {
            tracing::info!(token = possession.token, "lock obtained");
            let store = Arc::clone(&self.store);
            Lease::keep(possession, store, self.settings.lock.lease, signals)
        }))
    }

    /// A service that is named later must not run everything again.
    async fn refuse_a_second_history(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let service = &self.settings.service;
        let is_new = snapshot.tables && snapshot.newest.is_empty();
        if !is_new || service == DEFAULT || self.settings.independent {
            return Ok(());
        }
        let of_default = self.store.snapshot(DEFAULT, "").await.map_err(Error::store)?;
        let plan = Plan::make(&self.pipeline, |_| true, of_default.newest);
        let applied = plan.steps().filter(|step| step.decision == Decision::Skip).count();
        if applied == 0 {
            return Ok(());
        }
        Err(Error::Invalid(vec![Problem::general(format!(
            "the service \"{service}\" has no history, but the service \"{DEFAULT}\" has applied {applied} of these changes in this database: they would run again. If this is the application that had no name until now, take its history over with `adopt --from-service {DEFAULT}`; if \"{service}\" is meant to have a history of its own, say `.independent_service()`"
        ))]))
    }

    fn owner(&self) -> String {
        format!("{} (process {} on {})", self.settings.service, self.facts.pid, self.facts.host)
    }

    fn not_obtained(&self, snapshot: Snapshot, plan: &Plan) -> Result<Waited, Error> {
        let holder = snapshot.lock.filter(|lock| lock.held);
        let mut report = self.report(plan, &Vec::new());
        match self.settings.on_lock_timeout {
            OnLockTimeout::Fail => Err(Error::lock_timeout(holder, report)),
            OnLockTimeout::Continue => {
                report.warnings.push(
                    "the lock was not obtained in time and the run goes on as it was told: nothing is guaranteed".to_owned(),
                );
                Ok(Waited::Ended(Box::new(report)))
            }
        }
    }

    /// Reads again under the lock, runs, and gives the lock back whatever happens.
    async fn run_locked(&self, lease: Lease, signals: &Signals) -> Result<Report, Error> {
        let ran = AssertUnwindSafe(self.run_stages(&lease, signals)).catch_unwind().await;
        let digest = match &ran {
            Ok(Ok(ran)) if ran.result.is_ok() => Some(self.digest.as_str()),
            _ => None,
        };
        let quiet = matches!(&ran, Ok(Ok(ran)) if ran.leaves_nothing_to_note);
        let lost = matches!(&ran, Ok(Ok(ran)) if matches!(ran.result, Err(Error::LeaseLost { .. })));
        if lost {
            lease.forget().await;
        } else if let Err(error) = lease.release(digest.filter(|_| quiet)).await {
            let error = crate::audit::ErrorChain::of(&error);
            tracing::warn!(%error, "the lock was not given back: it is free when its lease ends");
        }
        match ran {
            Ok(Ok(ran)) => ran.result,
            Ok(Err(error)) => Err(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    async fn run_stages(&self, lease: &Lease, signals: &Signals) -> Result<Ran, Error> {
        let snapshot =
            self.store.snapshot(&self.settings.service, "").await.map_err(Error::store)?;
        let plan = self.plan(&snapshot)?;
        let executor = Executor {
            store: &*self.store,
            lease,
            lock: self.settings.lock,
            signals,
            targets: &self.targets,
            values: &self.settings.values,
            facts: &self.facts,
        };
        let mut done: Done = Vec::new();
        let mut halted = vec![false; plan.stages.len()];
        let mut fate = Fate::GoesOn;
        for (index, steps) in plan.stages.iter().enumerate() {
            let stage = &self.pipeline.stages[index];
            let has_issue = steps.iter().any(|step| matches!(step.decision, Decision::Issue(_)));
            halted[index] = has_issue || stage.after.iter().any(|before| halted[*before]);
            let mut executed = Vec::new();
            let span = tracing::info_span!("stage", name = stage.name);
            for step in steps {
                let works = !matches!(step.decision, Decision::Skip | Decision::Filtered);
                if !works || halted[index] || fate != Fate::GoesOn {
                    executed.push(None);
                    continue;
                }
                lease.refresh(signals).await;
                match signals.now() {
                    Stop::No => {}
                    Stop::Asked => {
                        executed.push(None);
                        continue;
                    }
                    Stop::Lost(reason) => {
                        fate = Fate::Lost(reason);
                        executed.push(None);
                        continue;
                    }
                }
                lease.set_activity(&format!("{} {}", step.definition.order, step.definition.id));
                let began = Instant::now();
                let ended = execute(&executor, step).instrument(span.clone()).await;
                let applied =
                    matches!(ended.outcome, Outcome::NewlyApplied | Outcome::AlreadyApplied);
                halted[index] = !applied;
                if ended.fate != Fate::GoesOn {
                    fate = ended.fate.clone();
                }
                executed.push(Some((ended, began.elapsed())));
            }
            done.push(executed);
        }
        let report = self.report(&plan, &done);
        let leaves_nothing_to_note = report.missing.is_empty()
            && report.changes().flat_map(|change| &change.notes).all(|note| match note {
                Note::Drifted { .. } => false,
                Note::OutOfOrder { .. }
                | Note::Retried { .. }
                | Note::CommittedMidway
                | Note::FoundApplied => true,
            });
        Ok(Ran { result: conclude(report, fate, signals), leaves_nothing_to_note })
    }

    /// The report of a plan and of what was done of it so far.
    fn report(&self, plan: &Plan, done: &Done) -> Report {
        let mut halted = vec![false; plan.stages.len()];
        let mut stages = Vec::with_capacity(plan.stages.len());
        for (index, steps) in plan.stages.iter().enumerate() {
            let stage = &self.pipeline.stages[index];
            halted[index] = stage.after.iter().any(|before| halted[*before])
                || steps.iter().any(|step| matches!(step.decision, Decision::Issue(_)));
            let changes = steps.iter().enumerate().map(|(place, step)| {
                let executed = done.get(index).and_then(|stage| stage.get(place)?.as_ref());
                change_report(step, executed, halted[index])
            });
            stages.push(StageReport { name: stage.name.clone(), changes: changes.collect() });
        }
        let missing = plan.missing.iter().map(|entry| MissingChange {
            id: entry.change_id.clone(),
            stage: entry.stage.clone(),
            order: entry.change_order.clone(),
        });
        Report {
            run_id: self.run_id.clone(),
            service: self.settings.service.clone(),
            stages,
            missing: missing.collect(),
            warnings: Vec::new(),
            duration: self.began.elapsed(),
        }
    }
}

/// The changes of the run, in the order in which they were collected and as a pipeline.
fn pipeline(
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> (Vec<&'static Definition>, Pipeline) {
    let definitions = match &settings.changes {
        Some(changes) => changes.clone(),
        None => registry::collect().unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        }),
    };
    let pipeline = Pipeline::build(&settings.stages, &definitions).unwrap_or_else(|found| {
        problems.extend(found);
        Pipeline::default()
    });
    (definitions, pipeline)
}

/// The manifest of the changes that a run would have.
pub(crate) fn manifest(settings: &Settings) -> Result<String, Error> {
    let mut problems = Vec::new();
    let (_, pipeline) = pipeline(settings, &mut problems);
    if problems.is_empty() { Ok(manifest::text(&pipeline)) } else { Err(Error::Invalid(problems)) }
}

/// What was done of a plan, by stage and place: none where nothing was.
type Done = Vec<Vec<Option<(Executed, Duration)>>>;

enum Waited {
    Ended(Box<Report>),
    Obtained(Lease),
}

struct Ran {
    result: Result<Report, Error>,
    leaves_nothing_to_note: bool,
}

/// Whom a run waits for, and when it said so.
#[derive(Default)]
struct Waiting {
    since: Option<Instant>,
    told: Option<(i64, Instant)>,
}

impl Waiting {
    fn tell(&mut self, snapshot: &Snapshot) {
        self.since.get_or_insert_with(Instant::now);
        let Some(lock) = snapshot.lock.as_ref().filter(|lock| lock.held) else { return };
        let told = self.told.is_some_and(|(token, at)| {
            token == lock.token && at.elapsed() < TELL_AGAIN
        });
        if !told {
            self.told = Some((lock.token, Instant::now()));
            tracing::info!("waiting for the lock, held by {}", Holder(lock.clone()));
        }
    }
}

async fn execute(executor: &Executor<'_>, step: &Step) -> Executed {
    let id = step.definition.id;
    let span = tracing::info_span!("change", id, attempt = step.attempt);
    let executed = executor.execute(step).instrument(span.clone()).await;
    let _entered = span.enter();
    match &executed.error {
        None => tracing::info!("{}", executed.outcome),
        Some(error) => tracing::error!(%error, "{}", executed.outcome),
    }
    executed
}

fn change_report(
    step: &Step,
    executed: Option<&(Executed, Duration)>,
    halted: bool,
) -> ChangeReport {
    let definition = step.definition;
    let mut report = ChangeReport {
        id: definition.id.to_owned(),
        order: definition.order.to_owned(),
        target: definition.target.to_owned(),
        location: definition.location().to_string(),
        outcome: Outcome::NotReached,
        duration: None,
        error: None,
        issue: None,
        notes: step.notes.clone(),
    };
    match (executed, &step.decision) {
        (Some((executed, duration)), _) => {
            report.outcome = executed.outcome;
            report.duration = Some(*duration);
            report.error.clone_from(&executed.error);
            report.issue.clone_from(&executed.issue);
            report.notes.extend(executed.notes.iter().cloned());
        }
        (None, Decision::Skip) => report.outcome = Outcome::AlreadyApplied,
        (None, Decision::Filtered) => report.outcome = Outcome::Filtered,
        (None, Decision::Issue(cause)) => {
            report.outcome = Outcome::Blocked;
            report.issue = Some(cause.clone());
            report.error = step.newest.as_ref().and_then(|newest| newest.error.clone());
        }
        (None, Decision::Apply | Decision::Verify(_) | Decision::Resolve) if halted => {
            report.outcome = Outcome::Blocked;
        }
        (None, Decision::Apply | Decision::Verify(_) | Decision::Resolve) => {}
    }
    report
}

fn conclude(report: Report, fate: Fate, signals: &Signals) -> Result<Report, Error> {
    let counts = report.counts();
    match fate {
        Fate::Lost(reason) => Err(Error::LeaseLost { reason, report: Box::new(report) }),
        Fate::Unknown => Err(Error::OutcomeUnknown(Box::new(report))),
        Fate::GoesOn if report.is_success() => Ok(report),
        Fate::GoesOn if signals.now() == Stop::Asked => Err(Error::Cancelled(Box::new(report))),
        Fate::GoesOn if counts.failed + counts.rolled_back > 0 => {
            Err(Error::ChangesFailed(Box::new(report)))
        }
        Fate::GoesOn => Err(Error::Issues(Box::new(report))),
    }
}

fn check_settings(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let service = &settings.service;
    let visible = !service.is_empty()
        && service.trim() == service
        && !service.chars().any(char::is_control)
        && service.chars().count() <= LONGEST_SERVICE;
    if !visible {
        problems.push(Problem::general(format!(
            "service {service:?}: use 1 to {LONGEST_SERVICE} visible characters, with no blank at either end"
        )));
    }
    let lock = settings.lock;
    for (name, duration) in [("lease", lock.lease), ("poll", lock.poll)] {
        if duration.is_zero() {
            problems.push(Problem::general(format!("the lock's {name} is zero")));
        }
    }
    problems
}

fn facts(settings: &Settings) -> Facts {
    let metadata = &settings.metadata;
    Facts {
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        pid: std::process::id(),
        app_version: settings.app_version.clone(),
        metadata: (!metadata.is_empty())
            .then(|| serde_json::Value::Object(metadata.clone()).to_string()),
    }
}
