//! How often verdicts are wrong, over thousands of simulated comparisons. `LLAMA_BENCH_SIMULATIONS=full cargo test --lib
//! judge::simulation -- --nocapture` prints the figures.

use std::time::Duration;

use super::*;
use crate::{
    record::{Cell, Header, Measured, Outcome, Sample},
    stats::{
        rng::Rng,
        simulated::{chance, trials},
    },
    units::Share,
};

/// How runs of the same work differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Of all tests of a kind alike, from run to run.
    pub(super) common: f64,
    /// Of single tests, beyond that.
    pub(super) own: f64,
    /// From day to day.
    pub(super) day: f64,
    /// Tests of each of two kinds.
    pub(super) n_tests: u32,
}

pub(super) const MACHINE: Machine = Machine { common: 0.02, own: 0.005, day: 0.0, n_tests: 4 };

/// Which tests take longer.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Slow {
    Nothing,
    One,
    All,
}

impl Machine {
    pub(super) fn run(&self, day: f64, date: u32, slow: Slow, slowdown: f64, rng: &mut Rng) -> Run {
        let mut cells = Vec::new();
        for kind in [TestKind::Pp(64), TestKind::Tg(16)] {
            let common = day + self.common * rng.normal();
            for i in 0..self.n_tests {
                let is_slow = slow == Slow::All || slow == Slow::One && i == 1 && kind.is_generation();
                let slow = if is_slow { f64::ln_1p(slowdown) } else { 0.0 };
                let log = common + self.own * rng.normal() + slow;
                let elapsed = Duration::from_secs_f64(0.01 * log.exp());
                let sample = Sample { elapsed, ..Sample::default() };
                let test = Test::from(kind).at(256 * i);
                let outcome = Outcome::Measured(Measured { samples: vec![sample; 2], ..Measured::default() });
                cells.push(Cell { test, started_at: String::new(), outcome });
            }
        }
        let mut header = Header::default();
        header.timing.started_at = format!("2026-11-{date:02}T10:00:00Z");
        Run { header, cells, curve: vec![] }
    }

    /// `n` runs, in one sitting or one a day from this date on.
    fn runs(&self, n: usize, from: u32, days_apart: bool, slow: (Slow, f64), rng: &mut Rng) -> Vec<Run> {
        let today = self.day * rng.normal();
        (0..n)
            .map(|i| {
                let is_later = days_apart && i > 0;
                let (day, hour) =
                    if is_later { (self.day * rng.normal(), from + i as u32) } else { (today, from) };
                self.run(day, hour, slow.0, slow.1, rng)
            })
            .collect()
    }
}

/// Shares of comparisons with any verdict of change, and with the slow tests found.
struct Shares {
    alarms: f64,
    found: f64,
}

/// When the runs of the first side were made, seen from the second.
#[derive(Clone, Copy, Debug)]
enum Baseline {
    SameSitting,
    OneSitting,
    DaysApart,
}

/// Comparisons of each kind.
const TRIALS: usize = 500;

/// Compares `n` runs with `m`, again and again.
fn shares(
    machine: Machine,
    (n, m): (usize, usize),
    baseline: Baseline,
    (slow, slowdown): (Slow, f64),
    rule: Rule,
) -> Shares {
    let mut rng = Rng::new(31);
    let (mut alarms, mut found) = (0, 0);
    for _ in 0..trials(TRIALS) {
        let days_apart = matches!(baseline, Baseline::DaysApart);
        let mut now = machine;
        let before = machine.runs(n, 1, days_apart, (Slow::Nothing, 0.0), &mut rng);
        if matches!(baseline, Baseline::SameSitting) {
            now.day = 0.0;
        }
        let date = if matches!(baseline, Baseline::SameSitting) { 1 } else { 25 };
        let after = now.runs(m, date, false, (slow, slowdown), &mut rng);
        let sides = [&before, &after].map(|runs| runs.iter().collect::<Vec<_>>());
        let judgement = compare(&sides[0], &sides[1], rule).unwrap();
        alarms += usize::from(judgement.has_change());
        let is_found = |test: &TestJudgement| test.verdict() == Verdict::Regressed;
        let slow_test =
            judgement.tests.iter().find(|test| test.test.kind.is_generation() && test.test.n_depth == 256);
        found += usize::from(match slow {
            Slow::All => judgement.tests.iter().any(is_found),
            _ => slow_test.is_some_and(is_found),
        });
    }
    let share = |count: usize| count as f64 / trials(TRIALS) as f64;
    Shares { alarms: share(alarms), found: share(found) }
}

/// The rule of a baseline: a tolerance of 5 %.
fn guard() -> Rule {
    Rule::new(Share::percent(5))
}

/// The most that chance adds to a share of false alarms of 5 %.
fn most_alarms() -> f64 {
    0.05 + chance(0.05, trials(TRIALS))
}

/// The least that chance leaves of this share of slowdowns that are found.
fn least_found(share: f64) -> f64 {
    share - chance(share, trials(TRIALS))
}

#[test]
fn equal_runs_seldom_differ_in_any_line() {
    for (n, m) in [(1, 1), (2, 1), (3, 1), (5, 1), (10, 1), (3, 3)] {
        for (common, own) in [(0.005, 0.002), (0.02, 0.005), (0.03, 0.02), (0.05, 0.02)] {
            let machine = Machine { common, own, ..MACHINE };
            // The smaller tolerance has all alarms of a larger one.
            let nothing = (Slow::Nothing, 0.0);
            let alarms = shares(machine, (n, m), Baseline::SameSitting, nothing, Rule::default()).alarms;
            println!("{n}+{m} runs, {common} and {own} apart: {alarms:.3}");
            assert!(alarms <= most_alarms(), "{n}+{m} runs, {machine:?}: {alarms}");
        }
    }
}

#[test]
fn one_slow_test_is_found_although_runs_lie_apart_in_common() {
    for (counts, least) in [((3, 1), 0.85), ((5, 1), 0.92), ((3, 3), 0.95)] {
        let found = shares(MACHINE, counts, Baseline::SameSitting, (Slow::One, 0.05), guard()).found;
        println!("{counts:?} runs, one test of eight slow by 5 %: {found:.3}");
        assert!(found >= least_found(least), "{counts:?} runs: {found}");
    }
}

#[test]
fn a_slowdown_of_all_tests_is_found_where_runs_agree() {
    for (slowdown, common, counts, least) in [
        (0.05, 0.005, (3, 3), 0.95),
        (0.05, 0.01, (3, 3), 0.9),
        (0.05, 0.01, (10, 3), 0.95),
        (0.1, 0.005, (3, 1), 0.95),
        (0.1, 0.01, (3, 1), 0.9),
        (0.1, 0.02, (3, 3), 0.9),
    ] {
        let machine = Machine { common, ..MACHINE };
        let found = shares(machine, counts, Baseline::SameSitting, (Slow::All, slowdown), guard()).found;
        println!("{counts:?} runs {common} apart, all tests slow by {slowdown}: {found:.3}");
        assert!(found >= least_found(least), "{counts:?} runs {common} apart, {slowdown}: {found}");
    }
}

#[test]
fn another_day_seldom_raises_an_alarm() {
    let machine = Machine { common: 0.005, day: 0.02, ..MACHINE };
    for baseline in [Baseline::OneSitting, Baseline::DaysApart] {
        for counts in [(3, 1), (10, 1), (3, 3)] {
            let alarms = shares(machine, counts, baseline, (Slow::Nothing, 0.0), guard()).alarms;
            let found = shares(machine, counts, baseline, (Slow::All, 0.1), guard()).found;
            println!("{counts:?} runs, {baseline:?}: {alarms:.3} false alarms, 10 % found {found:.3}");
            assert!(alarms <= most_alarms(), "{counts:?} runs, {baseline:?}: {alarms}");
        }
    }
}
