//! How a child ended, in words.

use std::{fs, process::ExitStatus, time::Duration};

use super::tail::Tail;
use crate::record::{Failure, FailureKind};

/// Processes that the kernel killed because memory ran out, as far as it says.
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

/// The same failure, or that of a server which does not answer now: llama.cpp ends a process that loses one, and does not say
/// which it was.
pub(super) fn of_servers(
    failure: Failure,
    servers: &[(String, Duration)],
    greet: impl Fn(&str, Duration) -> Result<(), String>,
) -> Failure {
    if servers.is_empty() || failure.kind == FailureKind::KilledForMemory {
        return failure;
    }
    let lost = servers.iter().filter_map(|(server, timeout)| {
        let why = greet(server, (*timeout).min(LONGEST_GREETING)).err()?;
        Some(format!("{server} does not answer any more: {why}"))
    });
    let lost: Vec<String> = lost.collect();
    let message = failure.message;
    if !lost.is_empty() {
        let message = format!("RPC server {}; the process was {message}", lost.join("; RPC server "));
        return Failure::new(FailureKind::RpcServer, message);
    }
    if message.contains(LOST_SERVER) {
        let names: Vec<&str> = servers.iter().map(|(server, _)| server.as_str()).collect();
        let now = "answers again: measure this configuration once more (--resume)";
        return Failure::new(FailureKind::RpcServer, format!("{message}; {} {now}", names.join(", ")));
    }
    Failure { message, ..failure }
}

/// What ggml's RPC backend says when it aborts.
const LOST_SERVER: &str = "Remote RPC server";

/// Longest wait for a server after the end of a child.
const LONGEST_GREETING: Duration = Duration::from_secs(5);

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

    #[test]
    fn a_server_that_does_not_answer_is_named_with_the_remedy() {
        let servers = ["10.0.0.1:50052", "10.0.0.2:50052"].map(|it| (it.to_owned(), Duration::from_secs(60)));
        let aborted = || Failure::new(FailureKind::Signal, "killed by signal 6 (SIGABRT)");
        let greet = |server: &str, timeout: Duration| {
            assert!(timeout < Duration::from_secs(60), "nobody waits a minute for a dead server");
            if server.starts_with("10.0.0.2") {
                Err("nothing listens there: start it".into())
            } else {
                Ok(())
            }
        };
        let lost = of_servers(aborted(), &servers, greet);
        assert_eq!(lost.kind, FailureKind::RpcServer);
        assert_eq!(
            lost.message,
            "RPC server 10.0.0.2:50052 does not answer any more: nothing listens there: start it; the process was \
             killed by signal 6 (SIGABRT)"
        );
        assert_eq!(of_servers(aborted(), &servers[..1], greet), aborted(), "that one answers");
        assert_eq!(of_servers(aborted(), &[], greet), aborted());
        let restarted = Failure { message: format!("{LOST_SERVER} crashed"), ..aborted() };
        let said = of_servers(restarted, &servers[..1], greet).message;
        assert!(said.contains("10.0.0.1:50052 answers again") && said.contains("--resume"), "{said}");
    }
}
