//! `sluicegate man`, and what `man` makes of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{fails, run, succeeds};

#[test]
fn every_command_gets_a_page_that_names_it() {
    let folder = TempDir::new().unwrap();
    assert_eq!(succeeds(run(folder.path(), &["man", "--output", "share/man1"])), "");
    let pages = folder.path().join("share/man1");
    for (file, says) in [
        ("sluicegate.1", "sluicegate \\- "),
        ("sluicegate-serve.1", "sluicegate\\-serve \\- "),
        ("sluicegate-key-new.1", "sluicegate\\-key\\-new \\- "),
    ] {
        let page = fs::read_to_string(pages.join(file)).unwrap();
        assert!(page.contains(says), "{file}: {page}");
    }
    assert!(succeeds(run(folder.path(), &["man"])).contains("sluicegate\\-check(1)"));
}

#[test]
fn the_page_of_one_command_goes_to_standard_output() {
    let folder = TempDir::new().unwrap();
    let page = succeeds(run(folder.path(), &["man", "key", "new"]));
    assert!(page.contains("sluicegate\\-key\\-new \\- Makes a key"), "{page}");
    let error = fails(run(folder.path(), &["man", "key", "steal"]));
    assert!(error.contains("`sluicegate key` has no command `steal`") && error.contains("revoke"), "{error}");
}

#[test]
fn groff_has_no_complaint_about_any_page() {
    let folder = TempDir::new().unwrap();
    succeeds(run(folder.path(), &["man", "--output", "."]));
    let mut pages = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).peekable();
    assert!(pages.peek().is_some());
    for page in pages {
        formatted(&page);
    }
}

#[test]
fn a_page_has_its_examples_line_by_line_and_the_version_at_its_foot() {
    let folder = TempDir::new().unwrap();
    succeeds(run(folder.path(), &["man", "--output", "."]));
    let page = formatted(&folder.path().join("sluicegate-serve.1"));
    let example = |line: &str| line.trim() == "sluicegate serve --config policy.toml";
    assert!(page.lines().any(example), "{page}");
    let version = concat!("sluicegate ", env!("CARGO_PKG_VERSION"));
    assert!(page.lines().last().unwrap().starts_with(version), "{page}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = fails(run(folder.path(), &["man", "--output", "file/man1"]));
    assert!(error.contains("cannot write file/man1") && error.contains("--output"), "{error}");
}

/// Returns a page as a terminal of 80 columns shows it, without its bold and italics.
fn formatted(page: &Path) -> String {
    let groff = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-cbou"]).arg(page).output().unwrap();
    let complaints = String::from_utf8_lossy(&groff.stderr);
    assert!(groff.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
    String::from_utf8(groff.stdout).unwrap()
}
