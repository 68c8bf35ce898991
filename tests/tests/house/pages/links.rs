//! Links, anchors and titles.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Page, files, is_empty, pages, root, without_code};

/// The address of this repository, in links that must work outside of it.
const HOME: &str = "https://github.com/flamingock/flamingock-rs/";
const RAW: &str = "https://raw.githubusercontent.com/flamingock/flamingock-rs/main/";

#[test]
fn links_and_anchors_resolve() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for page in pages() {
        for (line, target) in page.links() {
            let local = [
                format!("{HOME}blob/main/"),
                format!("{HOME}tree/main/"),
                RAW.to_owned(),
            ];
            let own = local
                .iter()
                .find_map(|address| target.strip_prefix(address));
            let base = match own {
                Some(_) => root(),
                None if target.contains("://") || target.starts_with("mailto:") => continue,
                None => page.path.parent().unwrap().to_owned(),
            };
            count += 1;
            let target = own.unwrap_or(&target);
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => page.path.clone(),
                path => base.join(path),
            };
            let is_there = file.exists()
                && (anchor.is_empty() || Page::read(&file).anchors().contains(anchor));
            if !is_there {
                wrong.push(format!("{}:{line}: {target}", page.name()));
            }
        }
    }
    assert!(count > 150, "only {count} links");
    is_empty(&wrong);
}

#[test]
fn links_of_the_readme_work_on_every_site() {
    let page = Page::read(&root().join("README.md"));
    let links = page.links();
    let relative = links
        .iter()
        .filter(|(_, target)| !target.contains("://") && !target.starts_with('#'));
    is_empty(
        &relative
            .map(|(line, target)| format!("{line}: {target}"))
            .collect::<Vec<_>>(),
    );
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let repository = format!("repository = {:?}", HOME.trim_end_matches('/'));
    assert!(manifest.contains(&repository), "{repository}");
}

#[test]
fn page_has_one_title() {
    let mut wrong = Vec::new();
    for page in pages() {
        // The parts of the book are headings of the first level there.
        if page.name().ends_with("SUMMARY.md") || page.name().contains("_TEMPLATE") {
            continue;
        }
        let titles = page
            .headings()
            .filter(|line| line.starts_with("# "))
            .count();
        if titles != 1 {
            wrong.push(format!("{}: {titles} titles", page.name()));
        }
    }
    is_empty(&wrong);
}

#[test]
fn book_has_every_page_once() {
    let folder = root().join("flamingock/docs");
    let summary = Page::read(&folder.join("SUMMARY.md"));
    let mut listed: Vec<String> = summary
        .links()
        .into_iter()
        .map(|(_, target)| target)
        .collect();
    listed.sort();
    let mut found = Vec::new();
    files(&folder, &[".md"], &mut found);
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<String> = found.iter().map(name).collect();
    names.retain(|name| name != "SUMMARY.md");
    names.sort();
    assert_eq!(listed, names);
}

/// The links of a page that rustdoc shows have labels, which lead to modules there.
#[test]
fn links_in_rustdoc_lead_to_modules_or_to_the_web() {
    let docs = root().join("flamingock/docs");
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let labels = read("flamingock/docs/links-in-rustdoc.txt");
    let library = ["lib.rs", "adopt/mod.rs", "cli/mod.rs"]
        .map(|file| read(&format!("flamingock/src/{file}")));
    let mut shown = BTreeSet::new();
    for part in library.concat().split("docs/").skip(1) {
        let name = part.split('"').next().unwrap_or_default();
        if name.ends_with(".md") && docs.join(name).exists() && !part.starts_with("SUMMARY") {
            shown.insert(name.to_owned());
        }
    }
    assert!(shown.len() > 10, "{shown:?}");
    let mut wrong = Vec::new();
    for name in &shown {
        let page = Page::read(&docs.join(name));
        for (line, text) in &page.prose {
            let text = without_code(text);
            let inline = text
                .split("](")
                .skip(1)
                .filter(|target| !target.starts_with("http") && !target.starts_with('#'));
            wrong.extend(
                inline.map(|target| format!("{name}:{line}: give the link a label: {target}")),
            );
            let Some((label, target)) = text
                .split_once("]: ")
                .filter(|(label, _)| label.starts_with('['))
            else {
                continue;
            };
            if !labels.contains(&format!("{label}]: ")) {
                wrong.push(format!(
                    "{name}:{line}: {target} is not in links-in-rustdoc.txt"
                ));
            }
        }
    }
    is_empty(&wrong);
}
