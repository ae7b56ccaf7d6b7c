//! The energy per token of two sides: the same rule as for speed, with joules in place of time.

use std::time::Duration;

use super::{CompareError, Judgement, Rule, RunEstimate, compare, compare_paired};
use crate::{
    record::{Cell, Config, Header, Outcome, Run, Summarised},
    stats::Bounds,
};

/// The joules per token of two sides, test by test. A [`Judgement`] of what each run took per token: its
/// [`Speedup`](crate::units::Speedup) is the energy of the first side over that of the second, so "improved" is less
/// energy. [`joules`] gives the figures of a side. `None` if no test has energy on both sides.
///
/// How surely a counter resolves a run's energy is not part of it: with several runs on each side their spread shows it.
///
/// # Errors
/// As [`compare`], or with `paired` as [`compare_paired`].
#[doc(hidden)]
pub fn compare_energy(
    before: &[&Run],
    after: &[&Run],
    paired: bool,
    rule: Rule,
) -> Result<Option<Judgement>, CompareError> {
    let as_times = |runs: &[&Run]| -> Vec<Run> { runs.iter().map(|run| as_times(run)).collect() };
    let (before, after) = (as_times(before), as_times(after));
    if [&before, &after].iter().any(|runs| runs.iter().all(|run| run.cells.is_empty())) {
        return Ok(None);
    }
    let (before, after) = (before.iter().collect::<Vec<_>>(), after.iter().collect::<Vec<_>>());
    let judge = if paired { compare_paired } else { compare };
    let judgement = judge(&before, &after, rule)?;
    Ok((!judgement.tests.is_empty()).then_some(judgement))
}

/// Joules per token with their 95 % interval between runs, of a side that [`compare_energy`] judged.
#[doc(hidden)]
pub fn joules(estimate: &RunEstimate) -> (f64, Bounds<f64>) {
    let RunEstimate { time, bounds, .. } = estimate;
    let bounds = Bounds::between(bounds.lower().as_secs_f64(), bounds.upper().as_secs_f64());
    (time.as_secs_f64(), bounds)
}

/// The run with a second for each joule per token; only cells that have energy.
fn as_times(run: &Run) -> Run {
    let cell = |cell: &Cell| {
        let energy = run.header.energy_of(cell)?.ok()?;
        let mean = Duration::try_from_secs_f64(energy.per_token()).ok().filter(|mean| !mean.is_zero())?;
        let outcome = Outcome::Summarised(Summarised { mean, stddev: None, rate: None, rate_stddev: None });
        Some(Cell { outcome, ..cell.clone() })
    };
    // Whether the sides are of one sitting counts here as well.
    let header = Header {
        config: Config { calibration: None, ..run.header.config.clone() },
        timing: run.header.timing.clone(),
        ..Header::default()
    };
    Run { header, cells: run.cells.iter().filter_map(cell).collect(), curve: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        judge::Verdict,
        record::{Counted, Measured, Meter, Metering, Sample, pp, tg},
    };

    /// A run whose tokens take these joules each; every repetition takes ten seconds.
    fn run(tests: &[(crate::record::Test, f64)]) -> Run {
        let meter = Meter {
            name: "CUDA0".into(),
            is_counted: true,
            update_ns: Some(20_000_000),
            limit_uw: Some(400_000_000),
            ..Meter::default()
        };
        let cells = tests.iter().map(|&(test, joules)| {
            let uj = (joules * f64::from(test.n_tokens()) * 1e6) as u64;
            let ns = 10_000_000_000;
            let energy = vec![Counted {
                meter: "CUDA0".into(),
                uj,
                ns,
                gap_ns: Some(0),
                prior_uj: Some(uj),
                prior_ns: Some(ns),
            }];
            let sample = |i: u64| Sample {
                elapsed: Duration::from_nanos(ns),
                at: Some(Duration::from_nanos(ns * i)),
                energy: energy.clone(),
                ..Sample::default()
            };
            let samples = (0..3).map(sample).collect();
            let outcome = Outcome::Measured(Measured { samples, ..Measured::default() });
            Cell { test, started_at: String::new(), outcome }
        });
        let metering = Metering { meters: vec![meter], ..Metering::default() };
        let header = Header { metering: Some(metering), ..Header::default() };
        Run { header, cells: cells.collect(), curve: Vec::new() }
    }

    fn side(joules: f64) -> Vec<Run> {
        [0.998, 1.0, 1.001, 1.002]
            .iter()
            .map(|spread| run(&[(pp(4096), 0.3 * spread), (tg(512), joules * spread)]))
            .collect()
    }

    #[test]
    fn more_energy_is_found_and_equal_energy_is_not() {
        let (one, other) = (side(2.0), side(2.6));
        let (one, other): (Vec<&Run>, Vec<&Run>) = (one.iter().collect(), other.iter().collect());
        for paired in [false, true] {
            let judged = compare_energy(&one, &other, paired, Rule::default()).unwrap().unwrap();
            let [prompt, generation] = &judged.tests[..] else { panic!("two tests") };
            assert_eq!(generation.verdict(), Verdict::Regressed, "{paired}");
            assert_eq!(prompt.verdict(), Verdict::NoChange, "{paired}");
            let (mean, bounds) = joules(&generation.after);
            assert!((mean / 2.6 - 1.0).abs() < 0.01 && bounds.contains(mean), "{mean} {bounds:?}");
        }
    }

    #[test]
    fn sides_without_energy_are_not_compared() {
        let (with, mut without) = (side(2.0), side(2.0));
        without.iter_mut().for_each(|run| run.header.metering = None);
        let (with, without): (Vec<&Run>, Vec<&Run>) = (with.iter().collect(), without.iter().collect());
        assert_eq!(compare_energy(&with, &without, false, Rule::default()), Ok(None));
    }
}
