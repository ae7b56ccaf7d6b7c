use std::time::Duration;

use super::*;
use crate::record::{Header, Measured, Outcome, Sample, pg, pp, tg};

/// Repetitions of a test whose steps take this many microseconds, a little apart.
fn cell(test: Test, step_us: u64) -> Cell {
    let n_steps = if test.kind.is_generation() { test.kind.n_tokens() } else { 1 };
    let sample = |i: u64| {
        let step = Duration::from_nanos(step_us * (1000 + i % 3));
        let steps = if test.kind.is_generation() { vec![step; n_steps as usize] } else { Vec::new() };
        Sample { elapsed: step * n_steps, steps, ..Sample::default() }
    };
    let samples = (0..5).map(sample).collect();
    Cell {
        test,
        started_at: String::new(),
        outcome: Outcome::Measured(Measured { samples, ..Measured::default() }),
    }
}

fn failed(test: Test) -> Cell {
    let failure = Failure { kind: "out_of_memory".into(), message: "too large".into() };
    Cell { test, started_at: String::new(), outcome: Outcome::Failed(failure) }
}

fn run(cells: Vec<Cell>) -> Run {
    Run { header: Header::default(), cells, curve: Vec::new() }
}

/// Steps of gpt-oss-20b, and what a prompt takes.
const STEPS_US: [(u32, u64); 5] = [(1, 4132), (2, 4988), (4, 6791), (8, 10_929), (16, 19_070)];

fn gpt_oss(n_depth: u32) -> Vec<Cell> {
    let at = |(n, us)| {
        [
            cell(pp(512).parallel(n).at(n_depth), 50_000 * u64::from(n)),
            cell(tg(32).parallel(n).at(n_depth), us),
        ]
    };
    STEPS_US.into_iter().flat_map(at).collect()
}

#[test]
fn total_and_each_and_scaling_are_of_the_same_times() {
    let run = run(gpt_oss(4096));
    let [at] = &levels(&[&run])[..] else { panic!("one depth") };
    assert_eq!(
        (at.n_depth, at.prefill, at.generation),
        (4096, Some(pp(512).at(4096)), Some(tg(32).at(4096)))
    );
    let numbers: Vec<u32> = at.rows.iter().map(|row| row.n_parallel).collect();
    assert_eq!(numbers, [1, 2, 4, 8, 16]);
    for (row, (n, us)) in at.rows.iter().zip(STEPS_US) {
        let of = row.generation.unwrap();
        // A step is one token of each.
        let expected = 1e6 / us as f64;
        assert!((of.each.rate.get() / expected - 1.0).abs() < 0.01, "{row:?}");
        assert!((of.total.rate.get() / of.each.rate.get() - f64::from(n)).abs() < 1e-9, "{row:?}");
        let half = |figure: SpeedFigure| figure.half_width.unwrap().get();
        assert!((half(of.total) / half(of.each) - f64::from(n)).abs() < 1e-9, "{row:?}");
        assert_eq!(row.step_times.unwrap().n, 160);
        let expected = Duration::from_micros(us);
        assert!(row.step_times.unwrap().p50.abs_diff(expected) < expected / 100, "{row:?}");
    }
    let scaling: Vec<String> = at.rows.iter().map(|row| row.generation.unwrap().scaling_words()).collect();
    assert_eq!(scaling, ["", "1.7x", "2.4x", "3.0x", "3.5x"]);
    assert_eq!(at.rows[4].prefill.unwrap().scaling_words(), "1.0x");
}

#[test]
fn the_sentences_say_what_more_users_get() {
    let run = run(gpt_oss(4096));
    let said = levels(&[&run])[0].to_string();
    assert_eq!(
        said,
        "In a context of 4096 tokens (tg32), 16 users reach 838 t/s together, 3.5x the speed of one alone. 4 users get 147 \
         t/s each; with 8, each gets 91.4 t/s: the total grows by 24.3 % (95 % interval: 24.1 % to 24.4 %). The total still \
         grows by more than 25 % per doubling up to 4 users, and by less from there on."
    );
}

#[test]
fn a_test_of_one_sequence_has_no_levels() {
    let run = run(vec![cell(pp(512), 50_000), cell(tg(32), 4000), cell(tg(32).at(64), 4000)]);
    assert_eq!(levels(&[&run]), []);
}

#[test]
fn without_one_sequence_nothing_is_compared_with_it() {
    let run = run(vec![cell(tg(32).parallel(4), 6791), cell(tg(32).parallel(8), 10_929)]);
    let [at] = &levels(&[&run])[..] else { panic!("one depth") };
    assert!(at.rows.iter().all(|row| row.generation.unwrap().scaling.is_none() && row.prefill.is_none()));
    let said = at.to_string();
    assert!(
        said.starts_with("In an empty context (tg32), 8 users reach 731 t/s together. 4 users get"),
        "{said}"
    );
    assert!(said.contains("From 4 users on, the total grows by less than 25 % per doubling."), "{said}");
}

#[test]
fn a_level_that_failed_is_a_row_with_its_reason() {
    let mut cells = gpt_oss(0);
    cells.truncate(4);
    cells.extend([failed(pp(512).parallel(4)), failed(tg(32).parallel(4))]);
    let run = run(cells);
    let [at] = &levels(&[&run])[..] else { panic!("one depth") };
    let reasons: Vec<Option<&str>> =
        at.rows.iter().map(|row| row.failure.as_ref().map(|failure| failure.kind.as_str())).collect();
    assert_eq!(reasons, [None, None, Some("out_of_memory")]);
    assert_eq!(at.steps.len(), 1, "there is no step to a level without a figure");
    assert_eq!(at.knee, Some(Knee::Beyond(2)));
    assert!(at.to_string().contains("at 2 users, the most measured."), "{at}");
}

/// The generation of a pg test follows its prompt: both are of one depth.
#[test]
fn the_halves_of_a_pg_test_are_one_row() {
    let pair = pg(512, 32);
    let halves = |n: u32| {
        [cell(pair.prompt().parallel(n).at(64), 50_000), cell(pair.generation().parallel(n).at(64), 4000)]
    };
    let run = run([1, 2].into_iter().flat_map(halves).collect());
    let [at] = &levels(&[&run])[..] else { panic!("one depth") };
    assert_eq!(at.n_depth, 64);
    assert!(at.rows.iter().all(|row| row.prefill.is_some() && row.generation.is_some()), "{at:?}");
}

#[test]
fn prompts_alone_have_a_knee_of_their_own() {
    let run = run([1, 2, 4].map(|n| cell(pp(512).parallel(n), 50_000 * u64::from(n))).to_vec());
    let [at] = &levels(&[&run])[..] else { panic!("one depth") };
    assert_eq!((at.generation, at.knee), (None, Some(Knee::At(1))));
    let said = at.to_string();
    assert!(said.contains("(pp512)") && said.contains("1 user gets 10"), "{said}");
    assert!(said.contains("no sure difference in total") && said.contains("From 1 user on"), "{said}");
    assert!(!said.contains("together"), "no total surely exceeds that of one: {said}");
}

#[test]
fn one_repetition_claims_nothing() {
    let mut cells = gpt_oss(0);
    for cell in &mut cells {
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        measured.samples.truncate(1);
    }
    let run = run(cells);
    let [at] = &levels(&[&run])[..] else { panic!("one depth") };
    assert_eq!(at.knee, Some(Knee::Unknown));
    let said = at.to_string();
    assert!(said.contains("the total grows by 14.6 %. After how many users"), "{said}");
}

/// Runs that lie 20 % apart show the same growth: each is compared with itself.
#[test]
fn runs_are_compared_within_themselves() {
    let slow = |times: f64| {
        let mut cells = gpt_oss(0);
        for cell in &mut cells {
            let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
            for sample in &mut measured.samples {
                sample.elapsed = sample.elapsed.mul_f64(times);
            }
        }
        run(cells)
    };
    let runs = [1.0, 1.2, 1.1].map(slow);
    let [at] = &levels(&runs.each_ref())[..] else { panic!("one depth") };
    assert_eq!(at.knee, Some(Knee::At(4)));
    let width = |figure: SpeedFigure| figure.relative_half_width().unwrap().get();
    assert!(width(at.rows[0].generation.unwrap().total) > 0.05, "{at:?}");
}

#[test]
fn how_a_depth_is_held_is_said_once() {
    let with = |is_unified: Option<bool>| {
        let mut run = run(gpt_oss(64));
        run.header.config.kv_unified = is_unified;
        run
    };
    let words = |all: &[&Run]| caption(&levels(&all[..1]).iter().collect::<Vec<_>>(), sharing(all), false);
    let (own, shared, unknown) = (with(Some(false)), with(Some(true)), with(None));
    assert!(words(&[&own]).ends_with("a copy of the depth in a KV cache of its own."), "{}", words(&[&own]));
    assert!(words(&[&shared, &shared]).ends_with("in one unified KV cache."));
    assert!(words(&[&own, &shared]).ends_with("within a run."), "they differ: their names say so");
    assert!(words(&[&unknown]).ends_with("within a run."));
}
