//! Assertions and guards for speed in your own tests.
//!
//! ```no_run
//! use llama_bench_rs::testing;
//!
//! #[test]
//! fn the_model_is_as_fast_as_it_was() {
//!     let model = testing::tiny_model().unwrap();
//!     testing::guard("main", testing::quick_sweep(&model));
//! }
//! ```
//!
//! # The first hour
//! 1. **Run the test.** `cargo test` says on standard error: `guard "main": no baseline yet: saved 1 of 3 runs to
//!    tests/baselines/main/….json, check it in; run the test again at another time`.
//! 2. **Run it twice more**, best on another day: the next runs are judged, and added to the baseline until it has three
//!    runs that were not all recorded within an hour. A run that is slower than the baseline, or of another build of
//!    llama.cpp, is not added, and the message says so.
//! 3. **Check the file in.** It holds every repetition, one row a line. The folder can hold baselines of several machines:
//!    each machine has a file of its own.
//! 4. **In CI**, where the variable `CI` is set, nothing is saved: a missing baseline fails the test and gives the command
//!    that saves one. A baseline counts for one kind of machine, so save it on the runner: run the command in a job, and
//!    check in the file that it leaves (as an artifact). Runners of several processors need a file each.
//! 5. **After an intended change**, `LLAMA_BENCH_GUARD=renew cargo test` starts a new baseline.
//!
//! | `LLAMA_BENCH_GUARD` | baseline | judges |
//! |---|---|---|
//! | `save`, the default without `CI` | adds runs until there are enough | yes |
//! | `check`, the default with `CI` | never written; an error if it is missing | yes |
//! | `renew` | starts again with this run | no |
//! | `add` | gets this run too | no |
//! | `off` | not looked at; nothing is measured | no |
//!
//! `LLAMA_BENCH_BASELINES` chooses another folder than the package's `tests/baselines`.
//!
//! ## What the messages mean
//! | message | test | what to do |
//! |---|---|---|
//! | `no baseline yet: saved 1 of 3 runs` | passes | run it again at another time, check the file in |
//! | `no baseline of this machine yet` | passes | the same; other machines keep their files |
//! | nothing | passes | nothing: no significant slowdown, and a slowdown of twice the tolerance is ruled out |
//! | `inconclusive; too noisy to tell whether tg16 got slower` | passes | more runs in the baseline, a quieter machine, or a larger [`Tolerance`] |
//! | `inconclusive; neighbours busy: cannot tell …` | passes | run it again while less else runs |
//! | `llama.cpp computes what was measured in another way, which costs speed` | fails | find out what left the GPU or turned flash attention off; renew if it is intended |
//! | `faster than the baseline` | passes | renew, if that speed is to be held |
//! | `not added: …` | passes | the message gives the command |
//! | `not in the baseline and not judged: tg32` | passes | renew, if the sweep got new tests |
//! | `the 3 runs of the baseline are of one sitting` | passes | add a run of another day |
//! | `4 of 4 cells got slower` | fails | look for the cause in the table; renew if it is intended |
//! | `the baseline "main" is not of what was measured now` | fails | the same processor with another device, model or setting: undo that, or renew |
//! | `no baseline in …, and none is saved here` | fails | run the command that it gives on this machine |
//! | `… is damaged` | fails | restore the file, or renew |
//!
//! A slow first run does not fail the test: the guard measures up to four times more ([`Guard::reruns`]) and judges all
//! runs together. It does the same if a baseline of three runs cannot tell. Under cargo's test harness each further run
//! has its own process, because the placement of memory decides several percent of the speed and differs between
//! processes ([`Guard::reruns_apart`] opts out). A guard of a [`Report`](crate::record::Report) judges that report alone.
//!
//! ## Beside other tests
//! `cargo test` runs the tests of a file in parallel, and whatever else computes meanwhile slows the guard. The guard
//! compares times relative to a calibration loop if it can, and says `inconclusive` if not. For figures that vary less:
//!
//! - Put guards into a test file of their own, such as `tests/speed.rs`: cargo runs one file after another.
//! - With nextest every test is a process, and all of them run at once. Give guards all threads, in
//!   `.config/nextest.toml`:
//!   ```toml
//!   [[profile.default.overrides]]
//!   filter = "binary(speed)"
//!   threads-required = "num-test-threads"
//!   success-output = "immediate" # else nextest hides what a passing guard says
//!   ```
//!
//! ## How many runs a baseline needs
//! | runs | what can be detected |
//! |---|---|
//! | 1 | the spread between runs is unknown: almost everything is inconclusive |
//! | 2 | large changes, of about a tenth |
//! | 3 | changes of the default tolerance on a quiet machine |
//! | up to 10, on several days | more on a noisy machine; further runs hardly help |
//!
//! Every row of the table that a guard prints says which slowdown would have been found (`detectable`): if that is more
//! than matters to you, add runs. How often verdicts are wrong: `docs/results/regression-verdicts.md` in the repository.
//!
//! # Floors
//! ```no_run
//! use llama_bench_rs::testing::{assert_at_least, quick_sweep, tg, tiny_model};
//!
//! let report = quick_sweep(&tiny_model()?).run()?;
//! assert_at_least(&report, tg(16).at(256), 50.0);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//! At least 50 tokens per second, in every configuration of the report. Needs no baseline, and finds only what is far off.
//!
//! # What an assertion says
//! Two runs of the same work never take the same time, and repetitions within a run resemble each other more than runs
//! do. So the unit is the run. Every verdict comes from [`judge`](crate::judge).
//!
//! | verdict | when | assertion |
//! |---|---|---|
//! | regressed | surely slower, and by more than half of the [`Tolerance`] as measured | fails |
//! | improved | surely faster, and by more than half of it as measured | passes |
//! | no change | surely within the tolerance | passes |
//! | cannot tell | anything else, and always with one run on each side | passes; warns if a slowdown of twice the tolerance is possible. If [strict](Tolerance::strict), fails if a slowdown of the tolerance is possible |
//! | inconclusive | neighbours were busy | passes with a warning, fails if strict |
//!
//! Two lines can fail a test: the shift that all tests of a kind share, and what a single test differs beyond it. A
//! warning also names a baseline that was made in one sitting, on another day than the report.
//!
//! A shared machine changes its speed from second to second. [`Sweep::calibrated`](crate::bench::Sweep::calibrated) times a
//! fixed calibration loop before each repetition; it is on by default in a [`quick_sweep`] on the CPU. If every run of both
//! sides is calibrated, times relative to the loop are compared too, and a verdict needs both to agree. A run with an
//! unusual calibration counts for less. If only some runs are calibrated, times are compared as measured, and the message
//! says so.
//!
//! # How many runs
//! From simulations: four pp and four tg tests, tolerance 5 %, runs of one sitting. "Runs lie apart" is the standard
//! deviation that all tests of a run share; each test varies by a further 0.5 %.
//!
//! | runs in the baseline, now | runs lie apart | all tests slower by | found |
//! |---|---|---|---|
//! | 1, 1 | any | any | never: one run each cannot tell |
//! | 3, 1 | 0.5 % | 10 % | 100 % |
//! | 3, 1 | 1 % | 10 % | 97 % |
//! | 3, 3 | 0.5 % | 5 % | 100 % |
//! | 3, 3 | 1 % | 5 % | 99 % |
//! | 3, 3 | 2 % | 10 % | 99 % |
//!
//! The table of a message shows for each test the smallest slowdown of it alone that would have been found
//! ([`TestJudgement::detectable`](crate::judge::TestJudgement::detectable)). If that is too large for you, add runs on both
//! sides. A missing or failed cell, or another configuration, is an error.

mod assertions;
mod guard;
mod merge;
mod model;
mod quick;

pub use crate::judge::Tolerance;
#[doc(hidden)]
pub use crate::judge::{
    Adjustment, Calibration, CellOutcome, Floor, FloorOutcome, Gap, LostWork, Outcome, RegressionError,
    ShiftOutcome, check_at_least, check_no_regression, check_work,
};
pub use assertions::{assert_at_least, assert_no_regression};
pub use guard::{Guard, GuardMode, guard};
#[doc(hidden)]
pub use guard::{GuardError, GuardVerdict, Guarded, Measure, Saved};
#[doc(hidden)]
pub use model::tiny;
pub use model::tiny_model;
pub use quick::{QuickSweep, quick_sweep};

#[doc(hidden)]
pub use crate::record::pg;
pub use crate::record::{embd, pp, tg};
