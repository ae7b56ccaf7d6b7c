//! The figures of several runs of the same, as a Markdown table.

use std::collections::BTreeMap;

use crate::{judge::PrintedRate, record::Report};

pub use crate::judge::{BetweenRuns, between_runs};

/// In what the configurations of these runs differ, by the number of the run.
fn labels(report: &Report, all: &[BetweenRuns]) -> BTreeMap<usize, String> {
    let mut firsts: Vec<usize> = all.iter().map(|one| one.run).collect();
    firsts.dedup();
    let runs = firsts.iter().map(|&run| report.runs[run].clone()).collect();
    firsts.iter().copied().zip(super::run_labels(&Report { runs })).collect()
}

/// The same as a Markdown table, each configuration under its label; empty if there is one run of each.
pub fn between_runs_markdown(report: &Report) -> String {
    let all = between_runs(report);
    let labels = labels(report, &all);
    let is_labelled = all.iter().any(|one| one.run != all[0].run);
    let mut text = String::new();
    for one in &all {
        if text.is_empty() {
            text += "All runs (95 % interval between runs):\n\n";
            text += &format!(
                "| {}test | runs | t/s |\n| {}--- | ---: | ---: |\n",
                if is_labelled { "configuration | " } else { "" },
                if is_labelled { "--- | " } else { "" }
            );
        }
        let label = match labels.get(&one.run) {
            Some(label) if is_labelled => format!("{} | ", label.replace('|', "\\|")),
            _ => String::new(),
        };
        text += &format!("| {label}{} | {} | {} |\n", one.test, one.measured.n_runs, figure(one));
    }
    text
}

/// `9256.12 (9130.02 to 9380.90)`, in t/s.
fn figure(one: &BetweenRuns) -> String {
    let PrintedRate { rate, bounds, .. } = one.measured;
    format!("{:.2} ({:.2} to {:.2})", rate.get(), bounds.lower().get(), bounds.upper().get())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Cell, Config, Header, Measured, Outcome, Run, Sample, Test, TestKind};

    fn run(n_batch: u32, ms: &[u64]) -> Run {
        let sample = |&ms: &u64| Sample { elapsed: Duration::from_millis(ms), ..Sample::default() };
        let measured = Measured { samples: ms.iter().map(sample).collect(), ..Measured::default() };
        let cell = Cell {
            test: Test { kind: TestKind::Pp(100), n_depth: 0, group: None },
            started_at: String::new(),
            outcome: Outcome::Measured(measured),
        };
        let config = Config { n_batch: Some(n_batch), ..Config::default() };
        Run { header: Header { config, ..Header::default() }, cells: vec![cell], curve: Vec::new() }
    }

    #[test]
    fn each_configuration_has_its_label_and_one_run_of_each_has_no_table() {
        let runs = vec![run(512, &[100]), run(256, &[50]), run(512, &[102]), run(256, &[51])];
        let table = between_runs_markdown(&Report { runs: runs.clone() });
        assert!(table.contains("interval between runs") && table.contains("| b 256 |"), "{table}");
        assert_eq!(between_runs_markdown(&Report { runs: runs[..2].to_vec() }), "");
    }
}
