//! The compare example: several loads of each side, and what it says of them.

mod support;

use support::{Ran, example, run, tiny_model};

/// Two byte-equal files of a tiny model, compared quickly.
fn compare(folder: &std::path::Path, mode: &str, b: &str, more: &[&str]) -> Ran {
    let first = tiny_model(folder);
    let copy = folder.join("copy.gguf");
    std::fs::copy(&first, &copy).unwrap();
    let side = |path: &std::path::Path| format!("n_threads=1,load_mode={mode},model={}", path.display());
    let small = ["-p", "16", "-n", "2", "-d", "0", "-r", "2"];
    run(example("compare").args(["--a", &side(&first), "--b", &(side(&copy) + b)]).args(small).args(more))
}

/// The last column of each row.
fn verdicts(ran: &Ran) -> Vec<String> {
    let rows = ran.out.lines().filter(|line| line.starts_with("| pp") || line.starts_with("| tg"));
    rows.map(|row| row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_side_that_is_much_slower_on_purpose_is_found_in_every_cell() {
    let folder = tempfile::tempdir().unwrap();
    let slow = compare(folder.path(), "none", ",slowed=3000", &["--loads", "6", "--fail-if-slower"]);
    assert_eq!(slow.status, 3, "{}\n{}", slow.out, slow.err);
    assert!(slow.out.contains("Of 6 loads of each side, in turn"), "{}", slow.out);
    let verdicts = verdicts(&slow);
    assert_eq!(verdicts.len(), 2, "{}", slow.out);
    assert!(verdicts.iter().all(|verdict| verdict.contains("slower")), "{}", slow.out);
    assert!(slow.err.contains("compare: load 6 of 6"), "{}", slow.err);

    let unasked = compare(folder.path(), "none", ",slowed=3000", &["--loads", "6"]);
    assert_eq!(unasked.status, 0, "{}", unasked.err);
}

#[test]
fn one_load_has_a_change_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let ran = compare(folder.path(), "none", ",slowed=900", &["--loads", "1", "--fail-if-slower"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(
        verdicts(&ran).iter().all(|verdict| verdict.contains("one load each: cannot tell")),
        "{}",
        ran.out
    );
    let change = ran.out.lines().find(|line| line.starts_with("| pp16")).unwrap().split(" | ").nth(3);
    assert!(change.unwrap().parse::<f64>().is_ok_and(|change| change < 1.0), "{}", ran.out);
}

#[test]
fn mapped_files_are_read_anew_or_small_differences_have_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let mapped = compare(folder.path(), "mmap", "", &["--loads", "2"]);
    assert_eq!(mapped.status, 0, "{}", mapped.err);
    let is_redrawn = mapped.out.contains("read from disk again for each load");
    assert!(is_redrawn != mapped.out.contains("smaller differences have no verdict"), "{}", mapped.out);
    let read = compare(folder.path(), "none", "", &["--loads", "2"]);
    assert!(!read.out.contains("from disk") && !read.out.contains("no verdict."), "{}", read.out);
}

/// A file on a disk in memory cannot leave the page cache.
#[test]
#[cfg(target_os = "linux")]
fn pages_that_cannot_move_make_small_differences_inconclusive() {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    if !mounts.lines().any(|line| line.split(' ').skip(1).take(2).eq(["/dev/shm", "tmpfs"])) {
        println!("SKIPPED: there is no disk in memory at /dev/shm");
        return;
    }
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let ran = compare(folder.path(), "mmap", "", &["--loads", "2"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("smaller differences have no verdict"), "{}", ran.out);
    assert!(ran.out.contains("load_mode=none"), "{}", ran.out);
}

#[test]
fn the_plan_says_what_it_costs_and_what_one_load_cannot_tell() {
    let folder = tempfile::tempdir().unwrap();
    let plan = compare(folder.path(), "none", "", &["--plan"]);
    assert_eq!(plan.status, 0, "{}", plan.err);
    for part in ["loads of each side: 10", "bytes to load: ", "tokens to time: ", "One load cannot tell"] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }
    assert!(!plan.out.contains("| test |"), "{}", plan.out);
}

#[test]
fn a_side_that_cannot_be_loaded_is_told_and_fails() {
    let ran = run(example("compare").args([
        "--a",
        "model=missing.gguf",
        "--b",
        "n_threads=1",
        "-d",
        "0",
        "--loads",
        "1",
    ]));
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("missing.gguf"), "{}", ran.out);
}
