//! The share of the speed of light of both sides, test by test.

use llama_bench_rs::{
    record::{Run, Test},
    units::Share,
};

/// One test.
pub struct LightLine {
    pub name: String,
    /// The mean share of the runs of each side; `None` if it is not known.
    pub a: Option<f64>,
    pub b: Option<f64>,
}

/// The tests whose share is known on a side.
pub fn lines(a: &[&Run], b: &[&Run], tests: &[Test]) -> Vec<LightLine> {
    let line = |test: &Test| LightLine { name: test.to_string(), a: mean(a, *test), b: mean(b, *test) };
    tests.iter().map(line).filter(|line| line.a.is_some() || line.b.is_some()).collect()
}

fn mean(runs: &[&Run], test: Test) -> Option<f64> {
    let share = |run: &&Run| {
        let cell = run.cells.iter().find(|cell| cell.test == test)?;
        Some(run.header.light_of(cell)?.ok()?.share)
    };
    let shares: Vec<f64> = runs.iter().filter_map(share).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// `25.2 %`, or nothing.
pub fn share(share: Option<f64>) -> String {
    share.and_then(Share::new).map_or_else(String::new, |share| format!("{share:.1}"))
}

#[cfg(test)]
mod tests {
    use llama_bench_rs::record::{Header, pp, tg};

    use super::*;

    #[test]
    fn runs_without_ceilings_have_no_lines() {
        let run = Run { header: Header::default(), cells: Vec::new(), curve: Vec::new() };
        assert!(lines(&[&run], &[&run], &[pp(8), tg(4)]).is_empty());
        assert_eq!((share(Some(0.2518)), share(None)), ("25.2 %".into(), String::new()));
    }
}
