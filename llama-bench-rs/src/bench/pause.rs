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
