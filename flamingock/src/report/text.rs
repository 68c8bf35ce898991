//! `Display` of a report.

use std::fmt;
use std::time::Duration;

use super::run::{ChangeReport, Outcome, Report, StageReport};
use crate::util::plural::plural;
use crate::util::visible::Visible;

impl fmt::Display for Report {
    /// Writes one line for a run that had nothing to do; otherwise also a line for each change that
    /// is neither applied before nor filtered, or that has a note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = self.counts();
        write!(f, "{}: ", Visible(&self.service))?;
        if counts.total == 0 {
            f.write_str("nothing to do")?;
        } else if self.is_up_to_date() {
            let applied = plural(counts.already_applied, "change");
            write!(f, "up to date, {applied} applied")?;
            if counts.filtered > 0 {
                write!(f, ", {} filtered", counts.filtered)?;
            }
        } else {
            let said: Vec<String> = Outcome::ALL
                .iter()
                .filter_map(|outcome| match *counts.of(*outcome) {
                    0 => None,
                    count => Some(format!("{count} {outcome}")),
                })
                .collect();
            write!(f, "{}", said.join(", "))?;
            write!(f, " in {}", short(self.duration))?;
        }
        for stage in &self.stages {
            for change in &stage.changes {
                write_change(f, stage, change)?;
            }
        }
        for (name, description) in self.described() {
            write!(f, "\n  target {}: {}", Visible(name), Visible(description))?;
        }
        for missing in &self.missing {
            write!(
                f,
                "\n  applied, but not in this binary: {} {}",
                Visible(&missing.order),
                Visible(&missing.id)
            )?;
        }
        for warning in &self.warnings {
            write!(f, "\n  warning: {}", Visible(warning))?;
        }
        Ok(())
    }
}

fn write_change(
    f: &mut fmt::Formatter<'_>,
    stage: &StageReport,
    change: &ChangeReport,
) -> fmt::Result {
    if change.is_silent() {
        return Ok(());
    }
    write!(f, "\n  {:<15} ", change.outcome)?;
    if stage.name != crate::change::names::DEFAULT {
        write!(f, "{}/", Visible(&stage.name))?;
    }
    write!(f, "{} {}", Visible(change.order), Visible(&change.id))?;
    if let Some(duration) = change.duration {
        write!(f, " ({})", short(duration))?;
    }
    if let Some(batches) = &change.batches {
        write!(f, ": {batches}")?;
    }
    if let Some(issue) = &change.issue {
        write!(f, "\n{:18}{issue}", "")?;
    }
    if let Some(error) = &change.error {
        write!(f, "\n{:18}{error}", "")?;
        if change.target != crate::change::names::DEFAULT {
            write!(f, " [target {}]", Visible(change.target))?;
        }
        write!(f, "\n{:18}at {}", "", Visible(change.location))?;
    }
    for note in &change.notes {
        write!(f, "\n{:18}note: {note}", "")?;
    }
    Ok(())
}

/// Writes a duration rounded for reading.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 10.0 {
        format!("{seconds:.0} s")
    } else if seconds >= 1.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} ms", seconds * 1000.0)
    }
}
