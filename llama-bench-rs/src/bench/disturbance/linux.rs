//! What Linux counts.

use std::{
    fmt,
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    thread::{self, ThreadId},
    time::Duration,
};

use nix::sys::resource::{UsageWho, getrusage};
use perf_event::{Builder, Counter, events::Hardware};

use super::{counts::Counts, thread_time, threads::Threads};

/// Ticks of the kernel's statistics per second (`USER_HZ`), the same on every architecture.
const TICKS: u64 = 100;

/// The files and counters of one measuring thread, opened once.
#[derive(Default)]
pub(super) struct System {
    thread: Option<Measuring>,
}

struct Measuring {
    id: ThreadId,
    threads: Threads,
    /// Counts instructions; `None` if the kernel does not allow it or the machine has no counter.
    instructions: Option<Counter>,
    stat: Option<File>,
    pressure: Option<File>,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("thread", &self.thread.as_ref().map(|thread| thread.id)).finish()
    }
}

impl System {
    /// The thread's own time comes last: what is read here is not in it.
    pub(super) fn begin(&mut self, n_threads: Option<u32>) -> Counts {
        let here = thread::current().id();
        if self.thread.as_ref().is_none_or(|thread| thread.id != here) {
            self.thread = Some(Measuring::new(here));
        }
        let Some(thread) = &mut self.thread else { return Counts::default() };
        if is_several(n_threads) {
            thread.threads.find();
        }
        let mut counts = thread.rest(n_threads);
        counts.own = thread.threads.own();
        counts.on_core = thread_time();
        counts
    }

    /// The thread's own time comes first.
    pub(super) fn end(&mut self, n_threads: Option<u32>) -> Counts {
        let on_core = thread_time();
        let Some(thread) = &mut self.thread else { return Counts::default() };
        let own = thread.threads.own();
        Counts { on_core, own, ..thread.rest(n_threads) }
    }
}

fn is_several(n_threads: Option<u32>) -> bool {
    n_threads.is_some_and(|n| n > 1)
}

impl Measuring {
    fn new(id: ThreadId) -> Self {
        let open = |path: &str| File::open(Path::new(path)).ok();
        Self {
            id,
            threads: Threads::of_this_thread(),
            instructions: count_instructions(),
            stat: open("/proc/stat"),
            pressure: open("/proc/pressure/cpu"),
        }
    }

    fn rest(&mut self, n_threads: Option<u32>) -> Counts {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok();
        let count = |value: i64| u64::try_from(value).ok();
        let several = is_several(n_threads);
        Counts {
            n_preempted: usage.and_then(|usage| count(usage.involuntary_context_switches())),
            n_blocked: usage.and_then(|usage| count(usage.voluntary_context_switches())),
            others: if several { self.threads.others() } else { Vec::new() },
            stolen: self.stat.as_ref().filter(|_| several).and_then(|file| stolen(&head(file)?)),
            pressure: self.pressure.as_ref().and_then(|file| pressure(&head(file)?)),
            n_instructions: self.instructions.as_mut().and_then(n_instructions),
            ..Counts::default()
        }
    }
}

/// A counter of this thread's instructions outside of the kernel.
fn count_instructions() -> Option<Counter> {
    let mut counter = Builder::new(Hardware::INSTRUCTIONS).build().ok()?;
    counter.enable().ok()?;
    Some(counter)
}

/// What was counted; `None` if the counter was lent to others for a part of the time.
fn n_instructions(counter: &mut Counter) -> Option<u64> {
    let read = counter.read_full().ok()?;
    (read.time_enabled() == read.time_running()).then(|| read.count())
}

/// The beginning of a file, which holds the first lines.
fn head(file: &File) -> Option<String> {
    let mut buffer = [0; 256];
    let n = file.read_at(&mut buffer, 0).ok()?;
    Some(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

/// The steal column of the sum of all cores.
fn stolen(stat: &str) -> Option<Duration> {
    let ticks: u64 = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()?;
    Some(Duration::from_millis(ticks.checked_mul(1000 / TICKS)?))
}

/// The total of `some`, in microseconds.
fn pressure(text: &str) -> Option<Duration> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let total = some.split_whitespace().find_map(|part| part.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_and_pressure_are_read() {
        let stat = "cpu  1595879 167457 217019 463222 21184 0 1887 890 0 0\ncpu0 1 2 3\n";
        assert_eq!(stolen(stat), Some(Duration::from_millis(8900)));
        let text = "some avg10=45.86 avg60=43.75 avg300=21.09 total=6651580734\nfull avg10=0.00 total=0\n";
        assert_eq!(pressure(text), Some(Duration::from_micros(6_651_580_734)));
        for text in ["", "cpu  1 2 3\n", "cpu  1 2 3 4 5 6 7 x", "some avg10=0.00\n"] {
            assert_eq!((stolen(text), pressure(text)), (None, None), "{text:?}");
        }
    }

    #[test]
    fn a_watch_follows_to_another_thread() {
        let mut system = System::default();
        system.begin(Some(1));
        let here = system.thread.as_ref().map(|thread| thread.id);
        let there = thread::scope(|scope| {
            scope
                .spawn(|| {
                    system.begin(Some(1));
                    system.thread.as_ref().map(|thread| thread.id)
                })
                .join()
        });
        assert_ne!(here, there.unwrap());
    }
}
