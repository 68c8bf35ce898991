//! An application that the fault tests start, kill, stop and cut off.
//!
//! `fault-driver --audit URL [--target URL] [--changes shared,plain,..] [--service S] [--tag T]`
//! `[--lease MS] [--wait MS] [--pool N] [--hold POINT=FILE]... [--die-at N] [--resolve CHANGE]`
//! `[--issues list] [--phase background]`
//! `[--ask-at N | --drop-at N | --leave-at N] [--parallel N] [--undo N]`
//!
//! It prints `at POINT` when a change reaches a point, waits there until the point's file exists,
//! and finally prints `result: ok` or `result: NAME OF THE ERROR`.

#![allow(clippy::unwrap_used)] // Nothing here runs outside a test.
#![allow(clippy::duplicate_mod)] // The changes are written once and compiled for each database.

mod arguments;
mod files;
mod points;
mod pools;
mod script;

#[path = "."]
mod sqlite {
    pub(crate) use flamingock_tests::on::sqlite::*;
    pub(crate) mod changes;
}

#[path = "."]
mod postgres {
    pub(crate) use flamingock_tests::on::postgres::*;
    pub(crate) mod changes;
}

#[path = "."]
mod mariadb {
    pub(crate) use flamingock_tests::on::mariadb::*;
    pub(crate) mod changes;
}

use std::process::ExitCode;
use std::time::Duration;

use flamingock::{Error, LockOptions, Report, Resolution, Runner, Stage, UndoTarget};

use crate::arguments::{Arguments, Stopping};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    if let Some(point) = arguments.die_at {
        points::die_at(point);
    }
    let pool = pools::AnyPool::of(&arguments.audit, arguments.pool);
    let runner = || runner(&arguments, &pool);
    if arguments.issues {
        for issue in runner().issues().await.unwrap() {
            println!("issue {}: {}", issue.change_id, issue.cause);
        }
        println!("result: ok");
        return ExitCode::SUCCESS;
    }
    let ended = match (&arguments.resolve, arguments.stop_at) {
        (Some(change), _) => {
            let resolved = runner()
                .resolve(change, Resolution::Applied, "looked")
                .await;
            resolved.map(|resolved| format!("{resolved:?}"))
        }
        (None, None) => told(match arguments.undo {
            Some(count) => runner().undo(UndoTarget::Count(count)).await,
            None if arguments.background => runner().spawn().wait().await,
            None => runner().run().await,
        }),
        (None, Some((Stopping::Ask, nth))) => {
            told(runner().run().cancel_on(points::point(nth)).await)
        }
        (None, Some((stopping, nth))) => tokio::select! {
            ended = runner().run() => told(ended),
            () = points::point(nth) => {
                println!("dropped");
                match stopping {
                    Stopping::Leave => return ExitCode::FAILURE,
                    Stopping::Drop | Stopping::Ask => told(runner().run().await),
                }
            }
        },
    };
    match ended {
        Ok(told) => {
            println!("{told}\nresult: ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error:?}\nresult: {}", name(&error));
            ExitCode::FAILURE
        }
    }
}

fn runner(arguments: &Arguments, pool: &pools::AnyPool) -> Runner {
    let runner = pool.runner(arguments);
    let runner = match &arguments.target {
        Some(url) => runner.target(pools::AnyPool::of(url, arguments.pool).target("other")),
        None => runner,
    };
    let runner = arguments.files.iter().fold(runner, |runner, file| {
        let text = file.tagged(&arguments.tag);
        runner.files(flamingock_tests::folder(&[(file.name, &text)]))
    });
    let options = LockOptions::default()
        .lease(arguments.lease)
        .wait(arguments.wait)
        .poll(Duration::from_millis(20));
    runner
        .lock(options)
        .service(&arguments.service)
        .stage(Stage::new("seed").atomic())
        .parallel_stages(arguments.parallel)
        .provide(arguments.script())
}

fn told(ended: Result<Report, Error>) -> Result<String, Error> {
    ended.map(|report| report.to_string())
}

fn name(error: &Error) -> String {
    format!("{:?}", error.kind())
}
