//! An example that is older than its sources is refused, not run.
#![allow(missing_docs)]

#[path = "support/fresh.rs"]
mod fresh;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A program and its dep-info, built at this time from these files.
fn program(folder: &Path, sources: &[&Path], built: SystemTime) -> PathBuf {
    let program = folder.join("example");
    let listed: Vec<_> = sources.iter().map(|path| path.to_str().unwrap().replace(' ', "\\ ")).collect();
    fs::write(program.with_extension("d"), format!("{}: {}\n", program.display(), listed.join(" "))).unwrap();
    File::create(&program).unwrap().set_modified(built).unwrap();
    program
}

fn write_at(path: &Path, time: SystemTime) {
    File::create(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_source_that_is_newer_than_the_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.rs"), folder.path().join("with a space.rs"));
    let now = SystemTime::now();
    write_at(&old, now - Duration::from_secs(20));
    write_at(&new, now);
    let missing = folder.path().join("may-come.rs");
    let built = program(folder.path(), &[&old, &missing, &new], now - Duration::from_secs(10));
    assert_eq!(fresh::newer_source(&built).unwrap(), Some(new.clone()));
    write_at(&new, now - Duration::from_secs(20));
    assert_eq!(fresh::newer_source(&built).unwrap(), None);
}

#[test]
fn a_change_within_a_folder_that_the_build_watches_counts() {
    let folder = tempfile::tempdir().unwrap();
    let shim = folder.path().join("shim");
    fs::create_dir_all(shim.join("deep")).unwrap();
    let now = SystemTime::now();
    let file = shim.join("deep/shim.cpp");
    write_at(&file, now);
    let built = program(folder.path(), &[&shim], now + Duration::from_secs(10));
    assert_eq!(fresh::newer_source(&built).unwrap(), None);
    write_at(&file, now + Duration::from_secs(20));
    assert_eq!(fresh::newer_source(&built).unwrap(), Some(shim));
}

#[test]
fn a_program_of_which_nothing_is_known_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let built = program(folder.path(), &[], SystemTime::now());
    fs::remove_file(built.with_extension("d")).unwrap();
    assert!(fresh::newer_source(&built).is_err());
}
