//! How fast the machine is just now, told by work that never changes.
//!
//! A shared machine changes its speed from one second to the next, most of all when another's work takes half of a
//! core's units. The time of work that is always the same says so, and a time divided by it does not depend on it any
//! more.
//!
//! The control work is arithmetic on values in the first-level cache, as most of a matrix product is, on one thread. It
//! knows nothing of what the caches behind and other threads cost: work on values further away would depend on where in
//! memory they happen to lie, which differs from process to process by more than it would tell.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::llama::dot;

/// Which control work this is: paces of different works say nothing of each other.
pub const PACE_VERSION: u32 = 1;

/// Values of a row, 8 KiB.
const N: usize = 2 << 10;

/// Dot products per piece of work.
const TIMES: u32 = 400;

/// Pieces of work, each timed by itself; an odd number, of which the median counts.
const PIECES: usize = 5;

/// The control work and the data that it works on.
#[derive(Clone, Debug)]
pub struct Control(Box<Rows>);

/// Two rows of values, from the beginning of a page on, so that where they lie is the same in every process.
#[derive(Clone, Debug)]
#[repr(align(4096))]
struct Rows([[f32; N]; 2]);

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}

impl Control {
    /// Makes the data.
    pub fn new() -> Self {
        // Small, so that sums of products stay finite, and no subnormal numbers.
        Self(Box::new(Rows([[1e-3; N]; 2])))
    }

    /// What a piece of the control work takes now: the median of five, of some 60 µs each.
    pub fn pace(&mut self) -> Duration {
        let mut times = [Duration::ZERO; PIECES];
        for time in &mut times {
            let start = Instant::now();
            self.work();
            *time = start.elapsed();
        }
        times.sort_unstable();
        times[PIECES / 2]
    }

    fn work(&self) {
        let Rows([a, b]) = &*self.0;
        black_box(dot(a, b, TIMES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::{Cancel, Event, Request, fake::FakeTarget, plan::tests::request},
        record::{Cell, Group, Header, Run},
    };

    fn run(paced: bool, pace: Option<Duration>) -> Run {
        let pairs = vec![Group { n_prompt: 4, n_gen: 2 }];
        let plan = Request { paced, pairs, depths: vec![32], ..request() }.plan().unwrap();
        let mut target = FakeTarget { pace, ..FakeTarget::default() };
        let clock = target.clock.clone();
        let mut silent = |_: &Event<'_>| {};
        crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut silent, &Cancel::new())
    }

    fn paces(cell: &Cell) -> Vec<Option<Duration>> {
        cell.measured().unwrap().samples.iter().map(|sample| sample.pace).collect()
    }

    #[test]
    fn every_repetition_has_a_pace_of_its_own_and_halves_share_theirs() {
        let run = run(true, Some(Duration::from_micros(50)));
        let [pp, tg, prompt, generation] = &run.cells[..] else { panic!("{} cells", run.cells.len()) };
        assert_eq!(paces(prompt), paces(generation), "nothing comes between the halves of a pair");
        let mut all = [paces(pp), paces(tg), paces(prompt)].concat();
        all.sort_unstable();
        let expected: Vec<_> = (51..60).map(|us| Some(Duration::from_micros(us))).collect();
        assert_eq!(all, expected, "three repetitions of three units");
    }

    #[test]
    fn without_being_asked_or_able_there_is_no_pace() {
        for run in [run(false, Some(Duration::from_micros(50))), run(true, None)] {
            assert!(run.cells.iter().flat_map(paces).all(|pace| pace.is_none()));
        }
    }

    #[test]
    fn the_control_work_takes_time() {
        let mut control = Control::new();
        assert!(control.pace() > Duration::ZERO);
        assert!(control.0.0.as_ptr().addr().is_multiple_of(4096));
    }
}
