//! What the documents promise of themselves: links lead somewhere, the README is short, results say how they were made.
#![allow(missing_docs)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The documents that a reader finds.
fn documents() -> Vec<PathBuf> {
    let mut found = files(&root().join("docs"));
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found.extend(
        ["README.md", "CONTRIBUTING.md", "THIRD-PARTY.md", "vendor/README.md"].map(|name| root().join(name)),
    );
    found
}

/// Without blocks of code, in which brackets mean something else.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Where the links of a text lead, other than to the web.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors of a text's headings, as GitHub names them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(slug).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let documents = documents();
    assert!(documents.len() > 15, "{documents:?}");
    for document in documents {
        let text = prose(&read(&document));
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            let is_there = anchor.is_empty() || anchors(&prose(&read(&target))).contains(anchor);
            assert!(is_there, "{}: {link}: there is no such heading", document.display());
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_would_be_found() {
    assert_eq!(links("see [a](b.md#c-d) and [e](https://f.g/h.md)"), ["b.md#c-d"]);
    assert_eq!(anchors("# A `b`, c\ntext\n## D-e\n"), BTreeSet::from(["a-b-c".into(), "d-e".into()]));
    assert_eq!(prose("a ```[x](y)``` b"), "a  b");
}

#[test]
fn the_readme_begins_with_result_commands_and_code() {
    let readme = read(&root().join("README.md"));
    assert!(readme.lines().count() < 150, "{} lines", readme.lines().count());
    let screen: Vec<&str> = readme.lines().take(50).collect();
    let screen = screen.join("\n");
    for part in ["t/s", "make sweep", "make test", "```rust", "Sweep::new"] {
        assert!(screen.contains(part), "{part} is not on the first screen");
    }
}

/// A date such as 2026-11-24.
fn has_date(text: &str) -> bool {
    let is_date = |word: &str| {
        let parts: Vec<&str> = word.split('-').collect();
        matches!(&parts[..], [y, m, d] if y.len() == 4 && m.len() == 2 && d.len() == 2
            && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())))
    };
    text.split(|c: char| !c.is_ascii_digit() && c != '-').any(is_date)
}

#[test]
fn results_name_their_date_and_command_and_are_listed() {
    let folder = root().join("docs/results");
    let index = read(&folder.join("README.md"));
    for page in files(&folder) {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "README.md" || !name.ends_with(".md") {
            continue;
        }
        assert!(index.contains(&format!("[{name}]({name})")), "{name} is not in the index");
        let text = read(&page);
        assert!(has_date(&text), "{name} has no date");
        assert!(text.contains("```"), "{name} has no command");
    }
}

/// Everything under docs/ travels with a git dependency.
#[test]
fn results_stay_light() {
    let bytes: u64 =
        files(&root().join("docs/results")).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(bytes < 500_000, "{bytes} bytes: scripts/study makes a CSV of complete results");
}
