//! Measured runs of one configuration and build, compared with each other in every way: no verdict may be a change.
#![allow(missing_docs)]

use std::{fs, path::Path};

use llama_bench_rs::{
    baseline::Key,
    judge::Verdict,
    judge::{self, Rule},
    record::{Report, Run, Test},
    report::{self, html, insights},
    testing::{Floor, RegressionError, Tolerance, check_at_least, check_no_regression},
};

/// Every run of the committed studies.
fn runs() -> Vec<Run> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results/h200");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // That one was measured without CUDA graphs, which files do not record.
    files.retain(|file| !file.to_string_lossy().contains("nograph"));
    files.sort();
    let runs: Vec<Run> = files.iter().flat_map(|file| report::read_file(file).unwrap().report.runs).collect();
    assert!(runs.len() > 80, "{} runs in {files:?}", runs.len());
    runs
}

/// Those whose recorded facts are equal.
fn groups() -> Vec<Vec<Run>> {
    let mut groups: Vec<Vec<Run>> = Vec::new();
    for run in runs() {
        let is_same = |group: &&mut Vec<Run>| {
            Key::of(&group[0].header) == Key::of(&run.header) && group[0].header.build == run.header.build
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups
}

fn pairs() -> Vec<(Run, Run)> {
    let pairs = |group: Vec<Run>| {
        let indices = (0..group.len()).flat_map(|i| (0..i).map(move |j| (j, i))).collect::<Vec<_>>();
        indices.into_iter().map(move |(a, b)| (group[a].clone(), group[b].clone()))
    };
    let have_a_test = |(a, b): &(Run, Run)| a.cells.iter().any(|a| b.cells.iter().any(|b| a.test == b.test));
    groups().into_iter().flat_map(pairs).filter(have_a_test).collect()
}

fn report_of(runs: &[&Run]) -> Report {
    Report { runs: runs.iter().map(|run| (*run).clone()).collect() }
}

/// Only what both have: a missing cell would be an error.
fn shared(a: &Run, b: &Run) -> (Run, Run) {
    let keep = |run: &Run, other: &Run| {
        let mut run = run.clone();
        run.cells.retain(|cell| other.cells.iter().any(|other| other.test == cell.test));
        run
    };
    (keep(a, b), keep(b, a))
}

fn is_change(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Improved | Verdict::Regressed)
}

#[test]
fn no_place_calls_equal_runs_different_and_all_agree() {
    let pairs = pairs();
    assert!(pairs.len() > 70, "{}", pairs.len());
    let mut changed = [0; 5];
    for (a, b) in &pairs {
        let (a, b) = shared(a, b);
        let both = report_of(&[&a, &b]);
        let page = html::page(&both).unwrap();
        let side_by_side = &page[page.find("Side by side").unwrap()..];
        let text = report::comparison_text(&both).unwrap();
        let (before, after) = (report_of(&[&a]), report_of(&[&b]));
        let checked = match check_no_regression(&before, &after, Tolerance::default()) {
            Ok(outcome) => outcome,
            Err(RegressionError::Regressed(outcome)) => *outcome,
            Err(error) => panic!("{error}"),
        };
        let says = [
            ["improved", "REGRESSED"].iter().any(|word| side_by_side.contains(word)),
            ["improved", "REGRESSED"].iter().any(|word| text.contains(word)),
            judge::compare(&[&a], &[&b], Rule::default()).unwrap().has_change(),
            judge::compare_paired(&[&a], &[&b], Rule::default()).unwrap().has_change(),
            checked.cells.iter().any(|cell| is_change(cell.verdict())),
        ];
        assert!(says.iter().all(|said| *said == says[0]), "{says:?}: {text}");
        changed.iter_mut().zip(says).for_each(|(n, said)| *n += usize::from(said));
        // Each place says that one run on each side is not enough, and still shows the change.
        assert!(
            text.contains("one run each: cannot tell") && side_by_side.contains("one run each: cannot tell")
        );
    }
    println!("{} pairs, with a change: {changed:?}", pairs.len());
    assert!(changed.iter().all(|n| n * 20 <= pairs.len()), "{changed:?} of {}", pairs.len());
}

/// The mean speed of a test.
fn rate(run: &Run, test: Test) -> Option<f64> {
    let cell = run.cells.iter().find(|cell| cell.test == test)?;
    Some(cell.rate_summary()?.mean.get())
}

#[test]
fn a_floor_and_an_expectation_say_the_same_of_every_cell() {
    let (mut n, mut below, mut n_far) = (0, 0, 0);
    for (a, b) in pairs() {
        for cell in &b.cells {
            let test = cell.test;
            let Some(mean) = rate(&a, test).filter(|_| test.group.is_none() && rate(&b, test).is_some())
            else {
                continue;
            };
            // At the mean of the other run, and further above it than one run is uncertain.
            for (factor, count) in [(1.0, &mut below), (1.25, &mut n_far)] {
                let start = mean * factor;
                let expected = insights::Expectation::new(test.kind, start..f64::INFINITY)
                    .at_depth(test.n_depth)
                    .check(&b);
                let floor = Floor::new(start);
                let checked = check_at_least(&report_of(&[&b]), test, floor);
                let is_below = match checked {
                    Ok(outcome) => {
                        assert_eq!(Some(outcome.measured), expected.measured);
                        false
                    }
                    Err(RegressionError::BelowFloor(_)) => true,
                    Err(error) => panic!("{error}"),
                };
                assert_eq!(is_below, expected.verdict == insights::Verdict::FallsShort, "{expected}");
                *count += usize::from(is_below);
            }
            n += 1;
        }
    }
    println!("{n} cells: {below} below the mean of the other run, {n_far} below 25 % more");
    assert!(n > 250 && below * 20 <= n, "{below} of {n}");
    assert!(n_far * 10 >= n * 9, "{n_far} of {n}: a floor that is far away is missed");
}

fn side(runs: Vec<(usize, &Run)>) -> Vec<&Run> {
    runs.into_iter().map(|(_, run)| run).collect()
}

/// Several runs on each side, if there are enough of one configuration.
#[test]
fn sides_of_several_runs_seldom_differ() {
    let (mut n, mut changed) = (0, 0);
    for group in groups().iter().filter(|group| group.len() >= 4) {
        let of_all = |test: &Test| group.iter().all(|run| rate(run, *test).is_some());
        if !group[0].cells.iter().map(|cell| cell.test).any(|test| of_all(&test)) {
            continue;
        }
        for first in 0..group.len() {
            for second in 0..first {
                let (after, before): (Vec<_>, Vec<_>) =
                    group.iter().enumerate().partition(|(i, _)| *i == first || *i == second);
                let judgement = judge::compare(&side(before), &side(after), Rule::default()).unwrap();
                if judgement.has_change() {
                    for t in judgement.tests.iter().filter(|t| is_change(t.verdict())) {
                        println!(
                            "{first} {second} of {}: {} {} {}",
                            group.len(),
                            t.test,
                            t.speedup,
                            t.finding
                        );
                    }
                }
                changed += usize::from(judgement.has_change());
                n += 1;
            }
        }
    }
    println!("{n} comparisons of two runs with the others, with a change: {changed}");
    // One run that lies apart is in many of the comparisons.
    assert!(n > 40 && changed * 10 <= n, "{changed} of {n}");
}
