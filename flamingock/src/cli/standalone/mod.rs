//! The program `flamingock`: the commands that need no code of changes, for any database.

mod arguments;
mod committed;
mod database;
mod known;
mod url;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::CommandFactory;

use self::arguments::{Needs, Place, Tool};
use self::committed::Committed;
use self::known::Audit;
use super::answer;
use super::command;
use super::failure::Failure;
use super::log;
use super::panics;
use super::source::Source;
use super::tool::{completions, has, parsed, print_completions, refuse};
use super::view::{Flags, View};
use crate::audit::memory::MemoryStore;
use crate::audit::tables::TableNames;
use crate::engine::collect::open_storage as open;
use crate::plan::policy::{Policy, Rule};
use crate::plan::stage::Stage;
use crate::runner::builder::Runner;
use crate::util::visible::visible;

/// Runs the program `flamingock` with the arguments of this process, and returns the exit code.
/// Must be awaited in a tokio runtime.
pub async fn standalone() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = has(&arguments, "--json");
    let parsed = parsed::<Tool>(|| Flags::augment(Tool::command()), &arguments);
    let (Tool { place, chosen }, flags) = match parsed {
        Ok((tool, matches)) => (tool, Flags::of(&matches)),
        Err(error) => return refuse(&error, json),
    };
    log::show(flags);
    panics::escape();
    let needs = chosen.needs();
    let action = match chosen.action() {
        Ok(action) => action,
        Err(shell) => {
            let tool = Flags::augment(Tool::command());
            return print_completions(completions(shell, tool, &arguments), json);
        }
    };
    let name = arguments
        .first()
        .map_or("flamingock".into(), |name| name.to_string_lossy());
    let result = async {
        let view = View {
            source: source(&place)?,
            ..View::new(flags, place.program(&name))
        };
        let runner = runner(&place, needs, &view).await?;
        command::answer(action, runner, &view).await
    };
    answer::print(flags, result.await).into()
}

fn source(place: &Place) -> Result<Arc<dyn Source>, Failure> {
    let Some(file) = &place.manifest else {
        return Ok(Arc::new(Audit));
    };
    let shown = visible(&file.to_string_lossy()).into_owned();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::file(&format!("could not read {shown}"), &error))?;
    match Committed::parse(&shown, &text) {
        Ok(committed) => Ok(Arc::new(committed)),
        Err(problems) => Err(Failure::refused("invalid", problems)),
    }
}

async fn runner(place: &Place, needs: Needs, view: &View) -> Result<Runner, Failure> {
    let variable = std::env::var("DATABASE_URL").ok();
    let given = place.database_url.as_ref().or(variable.as_ref());
    let Some(url) = given.filter(|url| !url.is_empty()) else {
        if needs == Needs::Files {
            return Ok(Runner::new(MemoryStore::new()));
        }
        let message = "no database is named: use --database-url URL, or set the variable DATABASE_URL, where a password is safer";
        return Err(Failure::refused("usage", message));
    };
    let connects = !matches!(needs, Needs::Nothing | Needs::Files);
    let runner = database::runner(url, connects).await?;
    let runner = runner
        .service(place.service())
        .tables(TableNames {
            schema: place.schema.clone(),
            prefix: place.prefix.clone(),
        })
        .policy(Policy::default().missing(Rule::Allow));
    let runner = match place.allow_untested_database {
        true => runner.allow_untested_database(),
        false => runner,
    };
    if needs == Needs::Changes {
        return committed(runner, place, view);
    }
    // Without code, every change of the audit would count as missing from the binary.
    let runner = runner.changes([]);
    look(&runner, place, needs, view).await?;
    Ok(runner)
}

/// Adds the changes of the manifest, in its order.
fn committed(mut runner: Runner, place: &Place, view: &View) -> Result<Runner, Failure> {
    if place.manifest.is_none() {
        let message = "which changes there are must be known: name the manifest that the application has committed with --manifest FILE";
        return Err(Failure::refused("usage", message));
    }
    let pipeline = view
        .source
        .pipeline(&runner.settings, &[])
        .map_err(|error| Failure::of(error, &view.program))?;
    for stage in &pipeline.stages {
        runner = runner.stage(Stage::new(&stage.name));
    }
    let changes: Vec<_> = pipeline.changes().collect();
    Ok(runner.changes(changes))
}

/// Fails if the database has no audit, or not this service: either would look as if nothing was
/// ever applied.
async fn look(runner: &Runner, place: &Place, needs: Needs, view: &View) -> Result<(), Failure> {
    // The manifest describes a service that is not in the database yet.
    let looks = !matches!(needs, Needs::Nothing | Needs::Files | Needs::Database);
    if !looks || (place.manifest.is_some() && needs == Needs::Service) {
        return Ok(());
    }
    let failed = |error| Failure::of(error, &view.program);
    let store = open(&runner.settings).map_err(failed)?.store;
    let services = match store.services().await {
        Err(error) if error.kind == crate::audit::store_error::StoreErrorKind::MissingTable => {
            return Err(Failure::database(
                "this database has no audit: its tables are not there. If they stand in a schema or have a prefix of their own, name it with --schema or --prefix",
            ));
        }
        services => services.map_err(|error| failed(crate::report::error::Error::store(error)))?,
    };
    let service = place.service();
    if needs == Needs::Tables || services.iter().any(|one| one == service) {
        return Ok(());
    }
    let known = if services.is_empty() {
        "no service was ever seen here".to_owned()
    } else {
        let services: Vec<_> = services.iter().map(|one| visible(one)).collect();
        format!("name one of these with --service: {}", services.join(", "))
    };
    Err(Failure::refused(
        "no_service",
        format!("this database has no service {service:?}: {known}"),
    ))
}
