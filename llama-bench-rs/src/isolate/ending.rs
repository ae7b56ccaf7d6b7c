//! How a child ended, in words.

use std::{fs, process::ExitStatus};

use super::tail::Tail;
use crate::record::{Failure, FailureKind};

/// Processes that the kernel killed because memory ran out, as far as it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Killed(u64);

impl Killed {
    /// Until now, on this machine and in this process's control groups.
    pub(super) fn now() -> Self {
        let of_machine = count("/proc/vmstat");
        let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        // In a container the group is the root of what it sees.
        let of_group = ["", own].map(|group| count(&format!("/sys/fs/cgroup{group}/memory.events")));
        let of_old_group = count("/sys/fs/cgroup/memory/memory.oom_control");
        Self(of_group.into_iter().fold(of_machine.wrapping_add(of_old_group), u64::wrapping_add))
    }
}

fn count(file: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let of = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    of.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

/// Why a child that ended like this has not done its work.
pub(super) fn failure(status: ExitStatus, tail: &Tail, killed_before: Killed) -> Failure {
    let tail = tail.words();
    match signal(status) {
        Some(KILL) if Killed::now() != killed_before => {
            let why = "killed by the kernel, because memory ran out (signal 9)";
            Failure::new(FailureKind::KilledForMemory, format!("{why}{tail}"))
        }
        Some(number) => {
            Failure::new(FailureKind::Signal, format!("killed by signal {}{tail}", named(number)))
        }
        None => {
            let how = match status.code() {
                Some(0) => "ended before its work was done, with exit status 0".to_owned(),
                Some(code) => format!("ended with exit status {code}"),
                None => format!("ended with {status}"),
            };
            Failure::new(FailureKind::ExitStatus, format!("{how}{tail}"))
        }
    }
}

const KILL: i32 = 9;

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt as _;

    status.signal()
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// `6 (SIGABRT)`.
#[cfg(unix)]
fn named(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(name) => format!("{signal} ({name})"),
        Err(_) => signal.to_string(),
    }
}

#[cfg(not(unix))]
fn named(signal: i32) -> String {
    signal.to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn every_end_has_its_words() {
        let tail = Tail::default();
        tail.push("ggml.c:9: GGML_ASSERT(n > 0) failed");
        let said = |raw: i32| {
            let failure = failure(ExitStatus::from_raw(raw), &tail, Killed::now());
            format!("{}: {}", failure.kind, failure.message)
        };
        assert_eq!(said(6), "signal: killed by signal 6 (SIGABRT): ggml.c:9: GGML_ASSERT(n > 0) failed");
        assert!(said(9).starts_with("signal: killed by signal 9 (SIGKILL): "));
        assert!(said(34).starts_with("signal: killed by signal 34: "));
        assert!(said(3 << 8).starts_with("exit_status: ended with exit status 3: "));
        assert!(said(0).starts_with("exit_status: ended before its work was done"));
        let for_memory = failure(ExitStatus::from_raw(9), &tail, Killed(u64::MAX));
        assert_eq!(for_memory.kind, FailureKind::KilledForMemory);
        assert!(for_memory.message.contains("memory ran out"), "{}", for_memory.message);
    }
}
