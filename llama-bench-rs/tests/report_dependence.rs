//! Reports of repetitions that are not independent: by mean and interval alone they would look trustworthy.

mod report_support;

use llama_bench_rs::with;
use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::insights::{Insight, Level, Noise, Precision, Statement, insights, unbelievable},
    stats::{Stop, StoppingRule},
};
use report_support::reference;

/// The reference run with ten repetitions of each cell: its mean plus these percentages, in another order per cell.
fn with(percent: impl Fn(usize, usize) -> f64) -> Report {
    let mut report = reference();
    for (i_cell, cell) in report.runs[0].cells.iter_mut().enumerate() {
        let mean = cell.time_summary().unwrap().mean;
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        let sample = |i: usize| {
            with!(Sample {
                elapsed: mean.mul_f64(1.0 + percent(i_cell, i) / 100.0),
                steps: Vec::new(),
                at: Some(Duration::from_secs(i as u64)),
                calibration: None,
                disturbance: None,
            })
        };
        measured.samples = (0..10).map(sample).collect();
    }
    report
}

/// ± 1 % in no order.
fn steady(cell: usize, i: usize) -> f64 {
    [0.1, -0.8, 0.9, -0.3, 0.5, -0.9, 0.3, 0.7, -0.6, -0.1][(i * 3 + cell) % 10]
}

/// ± 1 %, each repetition like the one before it.
fn in_waves(cell: usize, i: usize) -> f64 {
    [0.1, 0.5, 0.9, 0.7, 0.3, -0.1, -0.6, -0.9, -0.8, -0.3][(i + 3 * cell) % 10]
}

/// A steady run in which one repetition of one cell was held up.
fn held_up(cell: usize, i: usize) -> f64 {
    steady(cell, i) + if (cell, i) == (4, 6) { 30.0 } else { 0.0 }
}

fn warnings(report: &Report) -> Vec<Insight> {
    insights(report).into_iter().filter(|insight| insight.level() == Level::Warning).collect()
}

fn saying(report: &Report, what: &str) -> Option<(Level, String)> {
    let said = insights(report).into_iter().map(|insight| (insight.level(), insight.to_string()));
    said.into_iter().find(|(_, sentence)| sentence.contains(what))
}

#[test]
fn steady_repetitions_are_not_warned_of() {
    assert_eq!(warnings(&with(steady)), []);
    let (level, sentence) = saying(&with(steady), "half the 95 % interval").unwrap();
    assert!(level == Level::Good && sentence.contains("small enough to believe"), "{sentence}");
}

#[test]
fn successive_repetitions_that_are_alike_are_warned_of() {
    let report = with(in_waves);
    let found = warnings(&report);
    let [Insight { statement: Statement::Noise(Noise::Dependent { correlation, p_value }), .. }] = &found[..]
    else {
        panic!("{found:?}")
    };
    assert!(*correlation > 0.5 && *p_value < 0.01, "{found:?}");
    let (_, sentence) = saying(&report, "Successive repetitions").unwrap();
    assert!(sentence.contains("lag-1 autocorrelation 0.") && sentence.contains("p = 0."), "{sentence}");
    let (level, sentence) = saying(&report, "half the 95 % interval").unwrap();
    assert!(level == Level::Note && sentence.contains("not independent"), "{sentence}");
}

#[test]
fn one_repetition_that_was_held_up_casts_doubt_on_the_run() {
    let report = with(held_up);
    let apart = insights(&report).into_iter().find_map(|insight| match insight.statement {
        Statement::Noise(Noise::Apart { test, n, n_slower, gap }) => Some((test, n, n_slower, gap)),
        _ => None,
    });
    let (test, n, n_slower, gap) = apart.unwrap();
    assert_eq!((test, n, n_slower), (report.runs[0].cells[4].test, 10, 1));
    assert!((0.2..0.3).contains(&gap), "{gap}");
    let (level, sentence) = saying(&report, "two groups").unwrap();
    assert!(
        level == Level::Warning && sentence.contains("1 of 10 is slower than the rest by 2"),
        "{sentence}"
    );
    let precise = insights(&report).into_iter().any(|insight| {
        matches!(insight.statement, Statement::Precision(Precision::Intervals { is_doubted: true, .. }))
    });
    assert!(precise, "{:#?}", insights(&report));
}

#[test]
fn what_moves_a_time_by_less_than_a_percent_is_left_out() {
    assert_eq!(warnings(&with(|cell, i| 0.3 * in_waves(cell, i))), []);
    assert_eq!(warnings(&with(|cell, i| 0.01 * held_up(cell, i))), []);
}

#[test]
fn a_rule_that_stopped_on_such_repetitions_is_not_called_good() {
    for (percent, level) in [(steady as fn(usize, usize) -> f64, Level::Good), (in_waves, Level::Warning)] {
        let mut report = with(percent);
        report.runs[0].header.config.stopping = Some(StoppingRule::new());
        for cell in &mut report.runs[0].cells {
            let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
            measured.stop = Some(Stop::Precise);
        }
        let (said, sentence) = saying(&report, "Repeated until").unwrap();
        assert_eq!((said, sentence.contains("not")), (level, level == Level::Warning), "{sentence}");
    }
}

#[test]
fn more_repetitions_are_no_remedy_for_two_speeds() {
    let two_speeds = with(|cell, i| steady(cell, i) + if i < 5 { 30.0 } else { 0.0 });
    let doubt = unbelievable(&two_speeds.runs[0]).unwrap();
    assert!(doubt.cells.iter().all(|doubt| doubt.n_needed.is_none()), "{doubt}");
    let noisy = with(|cell, i| 12.0 * steady(cell, i));
    assert!(unbelievable(&noisy.runs[0]).unwrap().cells.iter().all(|doubt| doubt.n_needed.is_some()));
}
