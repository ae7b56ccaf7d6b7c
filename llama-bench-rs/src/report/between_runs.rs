//! The figures of several runs of one configuration, as a Markdown table.

use std::collections::BTreeMap;

use crate::{judge::PrintedRate, record::Report};

use super::configurations;
pub use crate::judge::{BetweenRuns, between_runs};

/// The name of each configuration by the index of its first run; empty names if there is one configuration.
fn labels(report: &Report) -> BTreeMap<usize, String> {
    let index = |first| report.runs.iter().position(|run| std::ptr::eq(run, first));
    configurations(report).into_iter().filter_map(|one| Some((index(one.runs[0])?, one.name))).collect()
}

/// The figures of [`between_runs`] as a Markdown table; empty if there is one run of each configuration.
pub fn between_runs_markdown(report: &Report) -> String {
    let all = between_runs(report);
    if all.is_empty() {
        return String::new();
    }
    let labels = labels(report);
    let is_labelled = labels.len() > 1;
    let mut text = format!(
        "All runs (95 % interval between runs):\n\n| {}test | runs | t/s |\n| {}--- | ---: | ---: |\n",
        if is_labelled { "configuration | " } else { "" },
        if is_labelled { "--- | " } else { "" }
    );
    for one in &all {
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
    use super::*;
    use crate::record::fixture::pp100_run as run;

    #[test]
    fn each_configuration_has_its_label_and_one_run_of_each_has_no_table() {
        let runs = vec![run(512, &[100]), run(256, &[50]), run(512, &[102]), run(256, &[51])];
        let table = between_runs_markdown(&Report { runs: runs.clone() });
        assert!(table.contains("interval between runs") && table.contains("| b 256 |"), "{table}");
        assert_eq!(between_runs_markdown(&Report { runs: runs[..2].to_vec() }), "");
        let table = between_runs_markdown(&Report { runs: runs[..3].to_vec() });
        assert!(table.contains("| b 512 | pp100 |") && !table.contains("b 256"), "{table}");
    }
}
