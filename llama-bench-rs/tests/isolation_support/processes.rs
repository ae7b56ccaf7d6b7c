//! Looking at processes, as far as /proc shows them.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longer waits have failed, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The children of a process, zombies included, by whichever thread.
pub fn children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let of = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    threads
        .map(of)
        .flat_map(|all| all.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Whether a process is there, and is not a zombie.
pub fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

pub fn send(id: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
}

/// Looks again and again until something is so.
pub fn until(is_so: impl Fn() -> bool, otherwise: &str) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{otherwise}");
        thread::yield_now();
    }
}

/// Starts a program and waits until it prints a line with this text.
pub fn started(program: PathBuf, (name, value): (&str, &Path), text: &str) -> Child {
    let mut child = Command::new(program)
        .env(name, AsRef::<OsStr>::as_ref(value))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(text)), "it ended by itself");
    child
}
