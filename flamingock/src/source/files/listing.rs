//! The changes of a folder on disk, for the command that adds one: only their names and heads.

use super::format::Format;
use super::header::Header;
use super::name;
use super::role::Role;

/// A change of a folder, as its name and its head describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedChange {
    pub(crate) id: String,
    pub(crate) order: String,
    /// `None` for the stage of the folder.
    pub(crate) stage: Option<String>,
}

/// Lists the changes of a folder with Flamingock's own names. `files` are paths relative to the
/// folder, with their texts.
///
/// # Errors
/// The folder has the names of another tool, which would not read a file with Flamingock's.
pub(crate) fn changes_of_folder(files: &[(String, String)]) -> Result<Vec<ListedChange>, String> {
    // The command reads one folder, and its process ends.
    let kept = |text: &String| -> &'static str { Box::leak(Box::from(text.as_str())) };
    let files: Vec<_> = files
        .iter()
        .map(|(file, text)| (kept(file), kept(text)))
        .collect();
    match Format::find(&files) {
        Ok(Format::Own) => {}
        Ok(other) => {
            return Err(format!(
                "its files have {}: create the file with that tool, or use another folder with --dir",
                other.words()
            ));
        }
        Err((index, message)) => return Err(format!("{}: {message}", files[index].0)),
    }
    let named = |&(file, text): &(&'static str, &'static str)| {
        let name = name::read(Format::Own, file).filter(|name| name.role == Role::Apply)?;
        let (header, _) = Header::read(text);
        Some(ListedChange {
            id: header.id.unwrap_or(name.id),
            order: header.order.unwrap_or(name.order),
            stage: header.stage,
        })
    };
    Ok(files.iter().filter_map(named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(files: &[(&str, &str)]) -> Result<Vec<ListedChange>, String> {
        let owned = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
        changes_of_folder(&files.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn head_of_a_file_comes_before_its_name() {
        let found = listed(&[
            ("0001__create_orders.sql", "SELECT 1;"),
            ("0001__create_orders.rollback.sql", ""),
            (
                "0002__view.sql",
                "-- flamingock: stage=views, id=orders-view, order=0007\n",
            ),
        ]);
        let change = |id: &str, order: &str, stage: Option<&str>| ListedChange {
            id: id.to_owned(),
            order: order.to_owned(),
            stage: stage.map(str::to_owned),
        };
        let expected = vec![
            change("create_orders", "0001", None),
            change("orders-view", "0007", Some("views")),
        ];
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn folder_of_another_tool_is_refused() {
        let refused = listed(&[("0001_create_orders.up.sql", "")]).unwrap_err();
        assert!(refused.contains("the names of sqlx"), "{refused}");
    }
}
