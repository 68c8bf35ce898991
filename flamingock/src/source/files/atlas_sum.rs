//! The file `atlas.sum`, by which Atlas detects files that were edited, added or removed.
//!
//! Its first line is the sum of all lines. Each of the others is the sum of a file's name and text,
//! and of everything before it. Atlas applies nothing if the sums do not match.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::atlas::SUM;

/// A mismatch, with its place in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) message: String,
}

/// Checks the sums as Atlas does.
pub(super) fn check(files: &[(&'static str, &'static str)]) -> Result<(), Misfit> {
    let computed = computed(files);
    let sums = files.iter().find(|(file, _)| *file == SUM);
    let Some((_, text)) = sums else {
        let Some((first, _)) = files.iter().find(|(file, _)| is_summed(file)) else {
            return Ok(());
        };
        return Err(Misfit {
            file: (*first).to_owned(),
            line: 1,
            message: format!(
                "beside it there is no `{SUM}`, without which Atlas applies nothing: write it by `atlas migrate hash`"
            ),
        });
    };
    let misfit = |line: usize, what: String| {
        Err(Misfit {
            file: SUM.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            message: format!(
                "{what}, and Atlas applies nothing then: put the files back as they were; or, if they are meant to be as they are, run `atlas migrate hash`"
            ),
        })
    };
    let mut lines = text.lines();
    let whole = lines.next().unwrap_or_default();
    let whole = whole.strip_prefix("h1:").unwrap_or(whole);
    let mut written = Vec::new();
    for (line, text) in (2..).zip(lines) {
        match text.split_once("h1:") {
            Some((name, sum)) => written.push((name.trim(), sum)),
            None => return misfit(line, "this is no line of a sum, `name h1:..`".to_owned()),
        }
    }
    for (at, (name, sum)) in computed.iter().enumerate() {
        match written.get(at) {
            Some((other, _)) if other != name => {
                let was_removed = computed.iter().all(|(name, _)| name != other);
                let what = match was_removed {
                    true => format!("the file `{other}` is not there any more"),
                    false => format!("the file `{name}` has no sum here"),
                };
                return misfit(at + 2, what);
            }
            Some((_, other)) if other != sum => {
                return misfit(
                    at + 2,
                    format!("the sum is not that of `{name}`, which was edited"),
                );
            }
            Some(_) => {}
            None => return misfit(at + 2, format!("the file `{name}` has no sum here")),
        }
    }
    if let Some((name, _)) = written.get(computed.len()) {
        let what = format!("the file `{name}` is not there any more");
        return misfit(computed.len() + 2, what);
    }
    if whole != of_all(&computed) {
        return misfit(
            1,
            "the first sum is not that of the lines behind it".to_owned(),
        );
    }
    Ok(())
}

/// Atlas reads only files in the folder of the sums.
fn is_summed(file: &str) -> bool {
    file.ends_with(".sql") && !file.contains('/')
}

/// Returns the sum of each file, in the order of their names.
fn computed(files: &[(&'static str, &'static str)]) -> Vec<(&'static str, String)> {
    let mut files: Vec<_> = files.iter().filter(|(file, _)| is_summed(file)).collect();
    files.sort_by_key(|(file, _)| *file);
    let mut sum = Sha256::new();
    let mut sums = Vec::new();
    for (file, text) in files {
        sum.update(file);
        if is_left_out(text) {
            continue;
        }
        sum.update(text);
        sums.push((*file, BASE64_STANDARD.encode(sum.clone().finalize())));
    }
    sums
}

/// Returns the sum of all sums.
fn of_all(sums: &[(&'static str, String)]) -> String {
    let mut all = Sha256::new();
    for (file, sum) in sums {
        all.update(file);
        all.update(sum);
    }
    BASE64_STANDARD.encode(all.finalize())
}

/// Reports whether the first line is `atlas:sum ignore`.
fn is_left_out(text: &str) -> bool {
    let is_plain = |c: char| matches!(c, ' '..='~');
    let end = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    let (line, _) = text.split_at(end);
    line.rsplit_once("atlas:")
        .and_then(|(_, words)| words.strip_prefix("sum "))
        .is_some_and(|mode| mode.trim_start() == "ignore")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text of `atlas.sum` for these files.
    fn text(files: &[(&'static str, &'static str)]) -> &'static str {
        let sums = computed(files);
        let mut text = format!("h1:{}\n", of_all(&sums));
        for (file, sum) in sums {
            text.push_str(&format!("{file} h1:{sum}\n"));
        }
        text.leak()
    }

    const FIRST: (&str, &str) = ("20240131120000_a.sql", "CREATE TABLE a (b int);\n");
    const SECOND: (&str, &str) = ("20240131120001.sql", "-- why\nDROP TABLE a;\n");
    const LEFT_OUT: (&str, &str) = ("20240131120002_c.sql", "-- atlas:sum ignore\n\nSELECT 1;\n");

    /// Computed by another program, which also reproduces the sums that Atlas has published.
    const SUMS: &str = "\
h1:dOj/HMa5A0lQQ2mn+sWvDyrUoiZbcVhUd0jjJgukXOA=\n\
20240131120000_a.sql h1:LMa6toWmPUp5lShRt6A6HcftWqkR1apbh+LGFs7CEEA=\n\
20240131120001.sql h1:3sJpRN4PFR70Ss3A311Iz8IkrCb164yg7TQ73RXYtbs=\n";

    fn misfit(files: &[(&'static str, &'static str)]) -> (String, u32, String) {
        let misfit = check(files).unwrap_err();
        assert!(
            misfit.message.contains("`atlas migrate hash`"),
            "{}",
            misfit.message
        );
        (misfit.file, misfit.line, misfit.message)
    }

    #[test]
    fn sums_are_those_of_atlas() {
        assert_eq!(text(&[SECOND, LEFT_OUT, FIRST]), SUMS);
        let others = [("old/1.sql", "a;"), ("x.conf", ""), ("a.SQL", "")];
        let all = [&[SECOND, (SUM, SUMS), LEFT_OUT, FIRST][..], &others].concat();
        assert_eq!(check(&all), Ok(()));
        let edited = (LEFT_OUT.0, "-- atlas:sum ignore\nSELECT 2;\n");
        assert_eq!(check(&[FIRST, SECOND, edited, (SUM, SUMS)]), Ok(()));
        let windows = SUMS.replace('\n', "\r\n").leak();
        assert_eq!(check(&[FIRST, SECOND, LEFT_OUT, (SUM, windows)]), Ok(()));
        assert_eq!(check(&[("x.conf", "")]), Ok(()));
    }

    #[test]
    fn files_that_do_not_fit_their_sums_are_named() {
        let sum = (SUM, SUMS);
        let edited = (FIRST.0, "CREATE TABLE a (b text);\n");
        let added = ("20240131115959_early.sql", "SELECT 1;");
        let last = ("20250101000000_last.sql", "SELECT 1;");
        let first_line = SUMS.replacen("h1:", "h1:A", 1).leak();
        let cut = SUMS.trim_end().rsplit_once('\n').unwrap().0;
        for (files, line, expected) in [
            (
                vec![edited, SECOND, LEFT_OUT, sum],
                2,
                "not that of `20240131120000_a.sql`",
            ),
            (
                vec![FIRST, LEFT_OUT, sum],
                3,
                "`20240131120001.sql` is not there",
            ),
            (
                vec![SECOND, LEFT_OUT, sum],
                2,
                "`20240131120000_a.sql` is not there",
            ),
            (
                vec![FIRST, SECOND, added, LEFT_OUT, sum],
                2,
                "`20240131115959_early.sql` has no sum",
            ),
            (
                vec![FIRST, SECOND, LEFT_OUT, last, sum],
                4,
                "`20250101000000_last.sql` has no sum",
            ),
            (
                vec![FIRST, SECOND, LEFT_OUT, (SUM, first_line)],
                1,
                "the first sum",
            ),
            (
                vec![FIRST, SECOND, LEFT_OUT, (SUM, cut)],
                3,
                "`20240131120001.sql` has no sum",
            ),
            (
                vec![FIRST, SECOND, LEFT_OUT, (SUM, "h1:x\nnothing\n")],
                2,
                "no line of a sum",
            ),
            (
                vec![FIRST, (SUM, "")],
                2,
                "`20240131120000_a.sql` has no sum",
            ),
            (vec![(SUM, "")], 1, "the first sum"),
        ] {
            let (file, found, message) = misfit(&files);
            assert_eq!((&*file, found), (SUM, line), "{files:?}: {message}");
            assert!(message.contains(expected), "{message}");
        }
        let (file, line, message) = misfit(&[FIRST, SECOND]);
        assert_eq!((&*file, line), (FIRST.0, 1));
        assert!(message.contains("no `atlas.sum`"), "{message}");
    }
}
