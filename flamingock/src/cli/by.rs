//! `--by`: who asks for what a command writes.

use clap::Args;

use crate::runner::builder::Runner;

/// Who asks for it.
#[derive(Debug, Args)]
pub(super) struct By {
    /// Who asks for it, for the audit [default: the user of the operating system]
    #[arg(long = "by", value_name = "NAME")]
    name: Option<String>,
}

impl By {
    /// Names the operator: the option comes before what the application has set, and that before the user
    /// of the operating system.
    pub(super) fn name(&self, runner: Runner) -> Runner {
        let own = || runner.settings.operator.is_none();
        let name = self.name.clone().or_else(|| user().filter(|_| own()));
        match name {
            Some(name) => runner.operator(name),
            None => runner,
        }
    }
}

/// The user of the operating system; none where it has no name, as in many containers.
fn user() -> Option<String> {
    let name = whoami::username().ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
