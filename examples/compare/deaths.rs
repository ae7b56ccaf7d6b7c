//! Loads that ended before they were complete: their names, and how many are left.

use llama_bench_rs::record::{Cell, Failure, Report, Run, Test};

use crate::measure::SIDES;

/// What became of the first incomplete test of a run; `None` if there is none, or somebody interrupted it.
pub fn why(run: &Run) -> Option<String> {
    let (cell, reason) = run.cells.iter().find_map(|cell| Some((cell, of_itself(cell)?)))?;
    Some(match cell.cut_short(&run.header.config) {
        Some(cut) => format!("{}: {cut}", cell.test),
        None => format!("{}: {}", cell.test, reason.message),
    })
}

fn of_itself(cell: &Cell) -> Option<&Failure> {
    cell.reason().filter(|reason| reason.kind != "cancelled")
}

/// A line for each reason, with its side and the numbers of its loads.
pub fn lines(sides: [&Report; 2]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, side) in SIDES.into_iter().zip(sides) {
        let mut found: Vec<(String, Vec<usize>)> = Vec::new();
        for (load, run) in side.runs.iter().enumerate() {
            let Some(why) = why(run) else { continue };
            match found.iter_mut().find(|(known, _)| *known == why) {
                Some((_, loads)) => loads.push(load + 1),
                None => found.push((why, vec![load + 1])),
            }
        }
        for (why, loads) in found {
            let numbers: Vec<String> = loads.iter().map(usize::to_string).collect();
            let loads = if loads.len() == 1 { "load" } else { "loads" };
            lines.push(format!("\n{name}, {loads} {}: {why}", numbers.join(", ")));
        }
    }
    lines
}

/// Loads that are complete on every side. A test that no load of a side has does not make a load incomplete.
pub fn n_whole(sides: &[Report]) -> usize {
    let n_loads = sides.iter().map(|side| side.runs.len()).min().unwrap_or(0);
    (0..n_loads).filter(|&load| sides.iter().all(|side| is_whole(side, load))).count()
}

/// Whether a run has all repetitions of a test.
pub fn has(run: &Run, test: Test) -> bool {
    run.cells.iter().any(|cell| cell.test == test && cell.reason().is_none())
}

fn is_whole(side: &Report, load: usize) -> bool {
    let run = &side.runs[load];
    run.cells.iter().all(|cell| has(run, cell.test) || !side.runs.iter().any(|run| has(run, cell.test)))
}

#[cfg(test)]
mod tests {
    use llama_bench_rs::{
        record::{Header, Measured, Outcome, Sample, pp, tg},
        with,
    };

    use super::*;

    /// A run of two tests; the second has no figure for this reason.
    fn run(reason: Option<&str>) -> Run {
        let sample = with!(Sample { elapsed: std::time::Duration::from_millis(7) });
        let measured = Outcome::Measured(with!(Measured { samples: vec![sample] }));
        let second = match reason {
            Some(why) => Outcome::Failed(Failure::new("signal", why)),
            None => measured.clone(),
        };
        let cell = |(test, outcome)| Cell { test, started_at: String::new(), outcome };
        let cells = [(pp(16), measured), (tg(2), second)].into_iter().map(cell).collect();
        Run { header: Header::default(), cells, curve: Vec::new() }
    }

    #[test]
    fn loads_that_died_are_named_with_side_and_number_and_not_counted() {
        let a = Report { runs: vec![run(None), run(Some("killed")), run(None), run(Some("killed"))] };
        let b = Report { runs: vec![run(Some("lost")), run(None), run(None), run(None)] };
        assert_eq!(lines([&a, &b]), ["\nA, loads 2, 4: tg2: killed", "\nB, load 1: tg2: lost"]);
        assert_eq!(n_whole(&[a, b]), 1);
    }

    #[test]
    fn a_test_that_no_load_has_costs_no_load() {
        let always = Report { runs: vec![run(Some("too long")); 2] };
        assert_eq!(n_whole(&[always.clone(), Report { runs: vec![run(None); 2] }]), 2);
        assert_eq!(lines([&always, &always])[0], "\nA, loads 1, 2: tg2: too long");
    }
}
