//! Time that other programs take from the computing threads, as the operating system counts it. Read right before and
//! right after each timed region, never inside one.
//!
//! Linux counts it for each thread (`schedstat`: time on a core, time waiting for one). Other systems count the thread's
//! processor time, which shows how long a single thread was off its core.

mod counts;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod threads;

use std::time::Duration;

use counts::Counts;
#[cfg(target_os = "linux")]
use linux::System;

use crate::record::Disturbance;

/// Watches the threads of one context.
#[derive(Debug, Default)]
pub(super) struct Watch {
    system: System,
    before: Option<(Option<u32>, Counts)>,
}

impl Watch {
    /// Begins to watch; `n_threads` threads compute on the CPU, `None` if a device computes as well.
    pub(super) fn begin(&mut self, n_threads: Option<u32>) {
        self.before = Some((n_threads, self.system.begin(n_threads)));
    }

    /// What was taken since [`begin`](Self::begin), of a region that took this long; `None` if nothing is known.
    pub(super) fn end(&mut self, elapsed: Duration) -> Option<Disturbance> {
        let (n_threads, before) = self.before.take()?;
        let after = self.system.end(n_threads);
        let disturbance = before.until(&after, n_threads, elapsed);
        (disturbance != Disturbance { n_threads, ..Disturbance::default() }).then_some(disturbance)
    }
}

/// Time that this thread ran on a core; `None` if the system does not count it.
#[cfg(unix)]
pub(super) fn thread_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

/// Time that this thread ran on a core; `None` if the system does not count it.
#[cfg(not(unix))]
pub(super) fn thread_time() -> Option<Duration> {
    None
}

/// Counts that need no Linux files.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Default)]
struct System;

#[cfg(not(target_os = "linux"))]
impl System {
    fn begin(&mut self, _n_threads: Option<u32>) -> Counts {
        let n_preempted = n_preempted();
        Counts { on_core: thread_time(), n_preempted, ..Counts::default() }
    }

    fn end(&mut self, _n_threads: Option<u32>) -> Counts {
        let on_core = thread_time();
        Counts { on_core, n_preempted: n_preempted(), ..Counts::default() }
    }
}

/// Involuntary switches of the whole process: macOS does not count them by thread for others to read.
#[cfg(all(unix, not(target_os = "linux")))]
fn n_preempted() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.involuntary_context_switches()).ok()
}

#[cfg(not(unix))]
fn n_preempted() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{hint::black_box, time::Instant};

    use super::*;

    fn work() -> Duration {
        let start = Instant::now();
        black_box((0..200_000_u64).map(black_box).sum::<u64>());
        start.elapsed()
    }

    #[test]
    fn a_thread_that_computes_is_seen_on_its_core() {
        let mut watch = Watch::default();
        watch.begin(Some(1));
        let elapsed = work();
        let disturbance = watch.end(elapsed).expect("Linux tells the time of a thread");
        assert_eq!(disturbance.n_threads, Some(1));
        let on_core = disturbance.on_core.unwrap();
        assert!(on_core > Duration::ZERO);
        // A thread either runs, waits or is held up.
        let waited = disturbance.waited.unwrap_or_default();
        assert!(on_core + waited + disturbance.stolen.unwrap_or_default() >= elapsed / 2, "{disturbance:?}");
    }

    #[test]
    fn a_region_is_watched_once() {
        let mut watch = Watch::default();
        assert_eq!(watch.end(Duration::ZERO), None);
        watch.begin(None);
        assert!(watch.end(work()).is_some());
        assert_eq!(watch.end(Duration::ZERO), None);
    }

    #[test]
    fn a_thread_whose_core_is_wanted_by_another_is_seen_to_wait() {
        // On one core, two threads that compute for as long as it takes: one of them has to wait.
        let cpus = rustix::thread::sched_getaffinity(None).unwrap();
        let core = (0..rustix::thread::CpuSet::MAX_CPU).find(|&cpu| cpus.is_set(cpu)).unwrap();
        let mut one = rustix::thread::CpuSet::new();
        one.set(core);
        let done = std::sync::atomic::AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            let busy = || {
                rustix::thread::sched_setaffinity(None, &one).unwrap();
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            };
            scope.spawn(busy);
            let measuring = scope.spawn(|| {
                rustix::thread::sched_setaffinity(None, &one).unwrap();
                let mut watch = Watch::default();
                let found = (0..10_000).find_map(|_| {
                    watch.begin(Some(1));
                    let disturbance = watch.end(work())?;
                    disturbance.waited.is_none_or(|waited| !waited.is_zero()).then_some(disturbance)
                });
                done.store(true, std::sync::atomic::Ordering::Relaxed);
                found
            });
            measuring.join().unwrap()
        });
        let disturbance = waited.expect("a thread that shares its core waits sooner or later");
        if disturbance.waited.is_some() {
            assert!(disturbance.n_preempted.is_some_and(|n| n > 0), "{disturbance:?}");
        }
    }
}
