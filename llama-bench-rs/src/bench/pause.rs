//! The pause before a test, in which the machine cools off.

use std::time::Duration;

use super::{
    clock::Clock,
    engine::Engine,
    plan::{Depth, Unit},
    target::Target,
};
use crate::record::{Failure, TestKind};

/// How long a request to stop may go unheard.
const SLICE: Duration = Duration::from_millis(50);

impl<T: Target, C: Clock> Engine<'_, T, C> {
    /// Pauses if the next repetition is not of the test that the last one was of. An untimed run follows: a machine that
    /// has slept is slow at first, and llama-bench warms up after its pause too.
    pub(super) fn pause_before(&mut self, slot: usize, depth: &Depth, unit: Unit) -> Result<(), Failure> {
        let same_test = self.last_unit.replace(unit) == Some(unit);
        if self.plan.request.delay.is_zero() || same_test {
            return Ok(());
        }
        self.pause()?;
        if self.plan.request.warmup {
            self.go_to(slot, depth)?;
            for cell in unit.cells() {
                self.warm_up_run(match self.plan.cells[cell].kind {
                    TestKind::Pp(n) => TestKind::Pp(n.min(self.n_batch)),
                    TestKind::Tg(_) => TestKind::Tg(1),
                    text @ TestKind::Embd(_) => text,
                })?;
            }
        }
        Ok(())
    }

    /// One short untimed run from the depth, if it lacks this repetition: another context had the machine, so that caches
    /// and threads are not as a repetition of this one's own would have left them.
    pub(super) fn wake(&mut self, slot: usize, depth: &Depth, rep: u32) -> Result<(), Failure> {
        const N_PROMPT: u32 = 32;
        let units = self.lacking(depth, rep);
        let kinds = || units.iter().flat_map(|unit| unit.cells()).map(|cell| self.plan.cells[cell].kind);
        // What is computed whole would take as long as a repetition.
        let short = |kind| match kind {
            TestKind::Pp(n) if self.abilities.whole_prompt.is_none() => Some(TestKind::Pp(n.min(N_PROMPT))),
            _ => None,
        };
        let kind = if kinds().any(TestKind::is_generation) {
            Some(TestKind::Tg(1))
        } else {
            kinds().find_map(short)
        };
        if let (Some(kind), true) = (kind, self.plan.request.warmup) {
            self.go_to(slot, depth)?;
            self.warm_up_run(kind)?;
        }
        Ok(())
    }

    /// Lets the pause go by, unless the application asks to stop.
    pub(super) fn pause(&mut self) -> Result<(), Failure> {
        let end = self.clock.now() + self.plan.request.delay;
        loop {
            let left = end.saturating_sub(self.clock.now());
            if left.is_zero() {
                return Ok(());
            }
            self.go_on()?;
            self.clock.wait(left.min(SLICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::{Cancel, Event, Request, fake::FakeTarget, plan::tests::request},
        record::{Header, Method, Order, Run},
    };

    const DELAY: Duration = Duration::from_secs(60);

    fn run(request: Request) -> Run {
        let mut target = FakeTarget::default();
        let clock = target.clock.clone();
        let plan = request.plan().unwrap();
        crate::bench::run(
            &plan,
            &mut target,
            &clock,
            Header::default(),
            &mut |_: &Event<'_>| {},
            &Cancel::new(),
        )
    }

    fn n_pauses(run: &Run) -> u128 {
        run.header.timing.wall.unwrap_or_default().as_nanos() / DELAY.as_nanos()
    }

    #[test]
    fn a_pause_comes_before_each_test_and_into_no_sample() {
        let quick = run(Request { warmup: false, depths: vec![0, 32], order: Order::Blocks, ..request() });
        for (warmup, method, order) in [
            (false, Method::Rewind, Order::Blocks),
            (true, Method::Rewind, Order::Blocks),
            (true, Method::Rewind, Order::Rounds),
        ] {
            let slow = run(Request { warmup, method, order, delay: DELAY, depths: vec![0, 32], ..request() });
            // 2 tests at 2 depths, 3 repetitions each, shuffled: the same test may come twice in a row.
            assert!((6..=12).contains(&n_pauses(&slow)), "{}", n_pauses(&slow));
            for (slow, quick) in slow.cells.iter().zip(&quick.cells) {
                let times = |cell: &crate::record::Cell| {
                    cell.measured().unwrap().samples.iter().map(|s| s.elapsed).collect::<Vec<_>>()
                };
                assert_eq!(times(slow), times(quick));
            }
        }
    }

    #[test]
    fn repetitions_of_one_test_follow_each_other_without_a_pause() {
        let one = Request { generations: vec![], depths: vec![0], delay: DELAY, ..request() };
        assert_eq!(n_pauses(&run(one)), 1);
        let fresh = Request { method: Method::FreshContext, depths: vec![0, 32], delay: DELAY, ..request() };
        assert_eq!(n_pauses(&run(fresh)), 4, "llama-bench: once per test");
    }

    #[test]
    fn a_pause_can_be_cut_short() {
        let mut target = FakeTarget::default();
        let clock = target.clock.clone();
        let plan = Request { delay: DELAY, ..request() }.plan().unwrap();
        let cancel = Cancel::new();
        let mut observer = |event: &Event<'_>| {
            if let Event::WarmingUp = event {
                cancel.cancel();
            }
        };
        crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut observer, &cancel);
        assert!(clock.now() < DELAY);
    }
}
