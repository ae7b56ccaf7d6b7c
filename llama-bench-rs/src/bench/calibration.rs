//! The calibration loop: fixed work whose time shows how fast the machine is now.
//!
//! A shared machine changes its speed from one second to the next, most of all when another program uses the other
//! hardware thread of a core. A time divided by that of the calibration loop does not depend on this.
//!
//! The loop is arithmetic on values in the first-level cache, like most of a matrix product, on one thread. It does not
//! cover the other caches or other threads: work on more memory would depend on the addresses of its data, which differ
//! from process to process by more than the loop would show. [`Sweep::calibrated`](super::Sweep::calibrated) turns it on.
//!
//! ```
//! use llama_bench_rs::bench::calibration::CalibrationLoop;
//!
//! let mut calibration = CalibrationLoop::new();
//! let (before, now) = (calibration.time().elapsed, calibration.time().elapsed);
//! println!("the machine takes {:.2} times as long as before", now.as_secs_f64() / before.as_secs_f64());
//! ```

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use super::disturbance::thread_time;
use crate::llama::dot;

/// Version of the loop: times of different versions cannot be compared.
pub const CALIBRATION_VERSION: u32 = 1;

/// Values of a row (8 KiB).
const N: usize = 2 << 10;

/// Dot products in a piece of work.
const TIMES: u32 = 400;

/// Pieces of work, each timed by itself; an odd number, since the median counts.
const PIECES: usize = 5;

/// The time of a piece of the calibration loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalibrationTime {
    /// Wall time.
    pub elapsed: Duration,
    /// Time on a core; `None` if the system does not count it.
    pub on_core: Option<Duration>,
}

/// The calibration loop and its data.
#[derive(Clone, Debug)]
pub struct CalibrationLoop(Box<Rows>);

/// Two rows of values, aligned to a page: the same place in the caches in every process.
#[derive(Clone, Debug)]
#[repr(align(4096))]
struct Rows([[f32; N]; 2]);

impl Default for CalibrationLoop {
    fn default() -> Self {
        Self::new()
    }
}

impl CalibrationLoop {
    /// Makes the data.
    pub fn new() -> Self {
        // Small values keep sums of products finite; none are subnormal.
        Self(Box::new(Rows([[1e-3; N]; 2])))
    }

    /// Times the loop now: the median of five pieces of some 60 µs each.
    pub fn time(&mut self) -> CalibrationTime {
        let mut elapsed = [Duration::ZERO; PIECES];
        let mut on_core = [None; PIECES];
        for i in 0..PIECES {
            let before = thread_time();
            let start = Instant::now();
            self.work();
            elapsed[i] = start.elapsed();
            on_core[i] = before.and_then(|before| thread_time()?.checked_sub(before));
        }
        elapsed.sort_unstable();
        // `None` sorts first.
        on_core.sort_unstable();
        CalibrationTime { elapsed: elapsed[PIECES / 2], on_core: on_core[0].and(on_core[PIECES / 2]) }
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

    fn run(calibrated: bool, calibration: Option<Duration>) -> Run {
        let pairs = vec![Group { n_prompt: 4, n_gen: 2 }];
        let plan = Request { calibrated, pairs, depths: vec![32], ..request() }.plan().unwrap();
        let calibration = calibration.map(|elapsed| CalibrationTime { elapsed, on_core: Some(elapsed / 2) });
        let mut target = FakeTarget { calibration, ..FakeTarget::default() };
        let clock = target.clock.clone();
        let mut silent = |_: &Event<'_>| {};
        crate::bench::run(&plan, &mut target, &clock, Header::default(), &mut silent, &Cancel::new())
    }

    fn calibrations(cell: &Cell) -> Vec<Option<Duration>> {
        cell.measured().unwrap().samples.iter().map(|sample| sample.calibration).collect()
    }

    #[test]
    fn every_repetition_is_calibrated_and_halves_of_a_pair_share_it() {
        let run = run(true, Some(Duration::from_micros(50)));
        let [pp, tg, prompt, generation] = &run.cells[..] else { panic!("{} cells", run.cells.len()) };
        assert_eq!(
            calibrations(prompt),
            calibrations(generation),
            "nothing comes between the halves of a pair"
        );
        let mut all = [calibrations(pp), calibrations(tg), calibrations(prompt)].concat();
        all.sort_unstable();
        let expected: Vec<_> = (51..60).map(|us| Some(Duration::from_micros(us))).collect();
        assert_eq!(all, expected, "three repetitions of three units");
    }

    #[test]
    fn the_time_on_a_core_stands_beside_the_wall_time() {
        let run = run(true, Some(Duration::from_micros(50)));
        for sample in run.cells.iter().flat_map(|cell| &cell.measured().unwrap().samples) {
            let on_core = sample.disturbance.and_then(|disturbance| disturbance.calibration_on_core);
            assert_eq!(on_core, Some(Duration::from_micros(25)));
        }
    }

    #[test]
    fn without_being_asked_or_able_nothing_is_calibrated() {
        for run in [run(false, Some(Duration::from_micros(50))), run(true, None)] {
            assert!(run.cells.iter().flat_map(calibrations).all(|calibration| calibration.is_none()));
        }
    }

    #[test]
    fn the_calibration_loop_takes_time() {
        let mut calibration_loop = CalibrationLoop::new();
        let calibration = calibration_loop.time();
        assert!(calibration.elapsed > Duration::ZERO);
        assert!(calibration.on_core.is_none_or(|on_core| on_core > Duration::ZERO));
        assert!(calibration_loop.0.0.as_ptr().addr().is_multiple_of(4096));
    }
}
