//! The figures of each load as a Markdown table.

use super::{LoadFigures, LoadRecord, ServeReport, said, words};
use crate::units::{text::one_line, words::count};

/// The table of all loads with what every load has in common above it, and the reasons of failures below. Several
/// configurations have a column with what sets them apart.
pub fn to_markdown(report: &ServeReport) -> String {
    let Some(first) = report.runs.first() else { return String::new() };
    let names = words::names(report);
    let has = Columns {
        names: report.runs.len() > 1,
        slo: report.runs.iter().any(|run| run.settings.slo.is_some()),
    };
    let mut text = format!("{}\n\n", said::subject(first));
    let mut rows = String::new();
    let mut failures = String::new();
    for (run, name) in report.runs.iter().zip(&names) {
        for (load, figures) in words::figures(run) {
            if figures.n_reps > 0 {
                rows += &has.row(name, load, &figures);
            }
            if let Some(failure) = &load.failure {
                let place = words::before(name, &load.arrivals.to_string());
                failures += &format!("\n{}: {}\n", one_line(&place), one_line(&failure.message));
            }
        }
    }
    if rows.is_empty() {
        return text + failures.trim_start() + &capacities(report, &names);
    }
    text += &(has.head() + &rows);
    let slo =
        first.settings.slo.map(|slo| format!(" In time: requests that keep {slo}.")).unwrap_or_default();
    text += &format!(
        "\nMeans of the repetitions ± their 95 % interval; time to first token (TTFT) includes queueing, ITL is the time \
         from token to token.{slo}\n"
    );
    for line in said::unknown(report) {
        text += &format!("{line}\n");
    }
    text + &failures + &capacities(report, &names)
}

fn capacities(report: &ServeReport, names: &[String]) -> String {
    let found = report.runs.iter().zip(names).filter_map(|(run, name)| Some((run.capacity.as_ref()?, name)));
    found
        .map(|(capacity, name)| format!("\n{}\n", words::before(name, &said::capacity_sentence(capacity))))
        .collect()
}

/// The columns that depend on the report.
struct Columns {
    names: bool,
    slo: bool,
}

impl Columns {
    fn head(&self) -> String {
        let mut heads = vec!["load"];
        if self.names {
            heads.insert(0, "configuration");
        }
        let figures = ["t/s", "requests/s", "TTFT p50", "TTFT p99", "ITL p50", "ITL p99", "total p50"];
        let n_left = heads.len();
        heads.extend(figures);
        if self.slo {
            heads.extend(["in time", "in time, requests/s"]);
        }
        let rule = |(i, _): (usize, &&str)| if i < n_left { "---" } else { "---:" };
        let rules: Vec<&str> = heads.iter().enumerate().map(rule).collect();
        format!("| {} |\n| {} |\n", heads.join(" | "), rules.join(" | "))
    }

    fn row(&self, name: &str, load: &LoadRecord, figures: &LoadFigures) -> String {
        let mut cells = Vec::new();
        if self.names {
            cells.push(escaped(name));
        }
        cells.push(escaped(&load.arrivals.to_string()));
        cells.extend([
            words::rate(figures.generation),
            words::requests(figures.requests),
            words::time(figures.ttft.p50),
            words::time(figures.ttft.p99),
            words::time(figures.itl.p50),
            words::time(figures.itl.p99),
            words::time(figures.total.p50),
        ]);
        if self.slo {
            let goodput = figures.goodput;
            cells.push(words::share(goodput.and_then(|goodput| goodput.share)));
            cells.push(words::requests(goodput.and_then(|goodput| goodput.requests)));
        }
        format!("| {} |\n", cells.join(" | "))
    }
}

/// Text from elsewhere as one line that ends no cell.
fn escaped(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

/// What a repetition of a load holds, such as `64 requests in 3 repetitions`.
pub(super) fn amount(figures: &LoadFigures) -> String {
    format!(
        "{} in {}",
        count(figures.n_requests as u64, "request"),
        count(figures.n_reps as u64, "repetition")
    )
}
