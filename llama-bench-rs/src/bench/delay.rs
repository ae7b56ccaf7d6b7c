//! Slows work down on purpose, to check that a comparison finds it.

use std::{
    hint,
    time::{Duration, Instant},
};

use super::disturbance::thread_time;
use crate::units::Share;

/// Makes each stretch of work take longer by a share of its own time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay {
    slowdown: f64,
    /// When the first work since the last wait began.
    since: Option<Start>,
}

/// Wall time, and the thread's own time if the thread computes.
#[derive(Clone, Copy, Debug)]
struct Start {
    wall: Instant,
    on_core: Option<Duration>,
}

impl Start {
    fn now(is_on_cpu: bool) -> Self {
        Self { wall: Instant::now(), on_core: if is_on_cpu { thread_time() } else { None } }
    }

    /// What the work has taken, without the time in which other programs had the core.
    fn elapsed(&self) -> Duration {
        let on_core = self.on_core.and_then(|start| thread_time()?.checked_sub(start));
        on_core.unwrap_or_else(|| self.wall.elapsed())
    }
}

impl Delay {
    /// 0.1 for 10 %.
    pub(super) fn new(slowdown: Share) -> Self {
        Self { slowdown: slowdown.get(), since: None }
    }

    /// Work is submitted that this thread computes or waits for.
    pub(super) fn begin(&mut self, is_on_cpu: bool) {
        self.since.get_or_insert_with(|| Start::now(is_on_cpu));
    }

    /// All work is done: spends the time by which it should have been slower.
    pub(super) fn end(&mut self) {
        let Some(since) = self.since.take() else { return };
        let longer = since.elapsed().mul_f64(self.slowdown);
        let start = Start::now(since.on_core.is_some());
        // Sleeping is too coarse for the time of a token, and reading the thread's time in a loop enters the kernel each
        // time, which slows what follows.
        while let Some(left) = longer.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            let now = Instant::now();
            while now.elapsed() < left {
                hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_its_share_longer_on_the_core() {
        let mut delay = Delay::new(Share::new(0.5).unwrap());
        delay.begin(true);
        let start = Start::now(true);
        while start.elapsed() < Duration::from_millis(2) {
            hint::spin_loop();
        }
        let worked = start.elapsed();
        delay.end();
        // Never less, even on a busy machine.
        assert!(start.elapsed() >= worked.mul_f64(1.5), "{:?} for {worked:?} of work", start.elapsed());
        delay.end();
    }

    #[test]
    fn without_a_time_of_the_thread_the_wall_counts() {
        let mut delay = Delay::new(Share::new(1.0).unwrap());
        delay.begin(false);
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(2));
        let worked = start.elapsed();
        delay.end();
        assert!(start.elapsed() >= 2 * worked);
    }
}
