//! The share of the speed of light of both sides, test by test.

use llama_bench_rs::{
    record::{Cell, Light, LightUnknown, Run, Test},
    report::answer::LightFigure,
    units::text::one_line,
};
use serde_json::{Value, json};

/// One test.
pub struct LightLine {
    pub name: String,
    pub a: OfSide,
    pub b: OfSide,
}

/// The mean share of the runs of a side, or why it is not known.
pub type OfSide = Result<LightFigure, String>;

/// The tests of which a side has ceilings.
pub fn lines(a: &[&Run], b: &[&Run], tests: &[Test]) -> Vec<LightLine> {
    let has_ceilings = |test: &&Test| a.iter().chain(b).any(|run| of_run(run, **test).is_some());
    let line = |test: &Test| LightLine { name: test.to_string(), a: of(a, *test), b: of(b, *test) };
    tests.iter().filter(has_ceilings).map(line).collect()
}

fn cell(run: &Run, test: Test) -> Option<&Cell> {
    run.cells.iter().find(|cell| cell.test == test)
}

fn of_run(run: &Run, test: Test) -> Option<Result<Light, LightUnknown>> {
    run.header.light_of(cell(run, test)?)
}

fn of(runs: &[&Run], test: Test) -> OfSide {
    let (mut known, mut unknown) = (Vec::new(), None);
    for light in runs.iter().filter_map(|run| of_run(run, test)) {
        match light {
            Ok(light) => known.push(light),
            Err(why) => unknown = unknown.or(Some(why)),
        }
    }
    LightFigure::mean_of(&known).ok_or_else(|| match unknown {
        Some(why) => why.to_string(),
        None if runs.iter().any(|run| cell(run, test).is_some_and(|cell| cell.measured().is_some())) => {
            "the ceilings of the devices were not measured (--ceilings)".into()
        }
        None => "the test was not measured".into(),
    })
}

/// The rows of a table, test, A and B, and what is said below it, each once.
pub fn shown(all: &[LightLine]) -> (Vec<[String; 3]>, Vec<String>) {
    let mut notes: Vec<String> = Vec::new();
    let mut number = |side: &str, note: &str| {
        let note = format!("{side}: {}", one_line(note));
        let at = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
            notes.push(note);
            notes.len() - 1
        });
        format!(" ({})", at + 1)
    };
    let mut text = |side: &str, of: &OfSide| match of {
        Ok(figure) => {
            let numbers: String = figure.remarks().iter().map(|remark| number(side, remark)).collect();
            format!("{figure}{numbers}")
        }
        Err(why) => format!("unknown{}", number(side, why)),
    };
    let rows = all.iter().map(|line| [line.name.clone(), text("A", &line.a), text("B", &line.b)]).collect();
    let numbered = (1..).zip(&notes).map(|(n, note)| format!("({n}) {note}")).collect();
    (rows, numbered)
}

/// The columns of a side in a row for scripts: `a_light_share` with its range, and why it is unknown.
pub fn columns(names: [&'static str; 4], side: Option<&OfSide>) -> [(&'static str, Value); 4] {
    let figure = side.and_then(|of| of.as_ref().ok());
    let [share, lower, upper, unknown] = names;
    [
        (share, json!(figure.map(|figure| figure.share))),
        (lower, json!(figure.map(|figure| figure.lower))),
        (upper, json!(figure.map(|figure| figure.upper))),
        (unknown, json!(side.and_then(|of| of.as_ref().err()))),
    ]
}

#[cfg(test)]
#[path = "light_tests.rs"]
mod tests;
