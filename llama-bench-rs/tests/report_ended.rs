//! A cell whose process ended before its last repetition: its figure is never shown as that of a whole cell.

mod report_support;

use llama_bench_rs::{
    record::*,
    report::{
        self, Format, Shown,
        insights::{Statement, insights},
    },
};
use report_support::reference;

/// The reference run, of which the process ended in the second cell; the third was not begun.
fn ended() -> Report {
    let mut report = reference();
    let run = &mut report.runs[0];
    let failure = Failure::new(FailureKind::Signal, "killed by signal 6 (SIGABRT): GGML_ASSERT(a) failed");
    let Outcome::Measured(measured) = &mut run.cells[1].outcome else { panic!("measured") };
    measured.samples.truncate(2);
    measured.ended = Some(failure.clone());
    run.cells[2].outcome = Outcome::Failed(failure);
    report
}

#[test]
fn markdown_marks_the_figure_and_says_why() {
    let mut bytes = Vec::new();
    report::write_with(&ended(), Format::Markdown, Shown::default(), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(!rows[0].contains("(1)"), "{text}");
    assert!(rows[1].contains(" ± ") && rows[1].contains(" of 2 (1) |"), "{text}");
    assert!(rows[2].contains("failed: signal (2)"), "{text}");
    assert!(text.contains("\n(1) signal, after some repetitions: killed by signal 6"), "{text}");
}

#[test]
fn sentences_tell_it_from_a_failure_and_from_an_interruption() {
    let report = ended();
    let all = insights(&report);
    let said =
        all.iter().find(|insight| matches!(insight.statement, Statement::Failed(_))).unwrap().to_string();
    assert!(
        said.contains("1 of ") && said.contains(" failed, and 1 ended before their last repetition: "),
        "{said}"
    );
    let run = &report.runs[0];
    let cut = run.cells[1].cut_short(&run.header.config).unwrap().to_string();
    assert!(cut.starts_with("ended after 2 of ") && cut.ends_with("GGML_ASSERT(a) failed"), "{cut}");
}
