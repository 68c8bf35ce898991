//! Interpreting the revisions of Atlas.

use super::history::{Columns, History, UpTo, text};

/// The row that names the cloud account which writes the revisions.
const IDENTIFIER: &str = ".atlas_cloud_identifier";

const BASELINE: u32 = 1;

struct Row {
    version: String,
    description: String,
    kind: String,
    applied: String,
    total: String,
    error: String,
    executed_at: Option<String>,
}

/// Interprets the rows. Atlas compares versions as text, and treats every version up to its first
/// revision as applied.
pub(super) fn read(history: &mut History, rows: Vec<Columns>) {
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|mut row| {
            let mut take = |column: usize| row.get_mut(column).and_then(Option::take);
            Row {
                version: text(take(0)),
                description: text(take(1)),
                kind: text(take(2)),
                applied: text(take(3)),
                total: text(take(4)),
                error: text(take(5)),
                executed_at: take(6),
            }
        })
        .collect();
    rows.sort_by(|one, other| one.version.cmp(&other.version));
    for row in rows {
        if row.version == IDENTIFIER {
            history.pass_over(row.version, "it says who writes the revisions");
            continue;
        }
        let name = format!("{} {}", row.version, row.description)
            .trim()
            .to_owned();
        let Ok(kind) = row.kind.parse::<u32>() else {
            history
                .unknown
                .push(format!("{name:?} is of the type {:?}", row.kind));
            continue;
        };
        if row.applied != row.total || !row.error.is_empty() {
            let (applied, total) = (&row.applied, &row.total);
            history
                .unresolved
                .push(format!("{name} ({applied} of {total} statements)"));
            continue;
        }
        if history.up_to.is_none() {
            let what = if kind & BASELINE == 0 {
                "first revision"
            } else {
                "baseline"
            };
            history.up_to = Some(UpTo {
                name: format!("at or below the {what} {}", row.version),
                version: row.version.clone(),
                applied_at: row.executed_at.clone(),
                must_be_here: false,
            });
        }
        history.add(row.version, name, row.executed_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_read_with_the_first_one_as_baseline() {
        let row = |version: &str, kind: &str, applied: &str, error: &str| {
            let texts = [version, "users", kind, applied, "2", error, "2024-01-31"];
            texts.iter().map(|text| Some((*text).to_owned())).collect()
        };
        let rows = vec![
            row("3", "2", "1", ""),
            row("2", "2", "2", ""),
            row("1", "1", "2", ""),
            row("4", "2", "2", "syntax error"),
            row(IDENTIFIER, "2", "0", ""),
        ];
        let mut history = History::default();
        read(&mut history, rows);
        let names: Vec<&str> = history
            .applied
            .iter()
            .map(|past| past.name.as_str())
            .collect();
        assert_eq!(names, ["1 users", "2 users"]);
        assert_eq!(history.up_to.unwrap().name, "at or below the baseline 1");
        assert_eq!(
            history.unresolved,
            ["3 users (1 of 2 statements)", "4 users (2 of 2 statements)"]
        );
        assert_eq!(history.passed_over.len(), 1);
    }
}
