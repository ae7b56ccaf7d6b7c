//! What people read of an interrupted sweep: the cells that it began.

use std::borrow::Cow;

use crate::record::{Cell, Report};

/// The report without the cells that an interruption left unbegun. Every run keeps its place, and with it its name and
/// number.
pub(super) fn begun(report: &Report) -> Cow<'_, Report> {
    if n_not_begun(report) == 0 {
        return Cow::Borrowed(report);
    }
    let mut report = report.clone();
    for run in &mut report.runs {
        run.cells.retain(|cell| !cell.was_not_begun());
    }
    Cow::Owned(report)
}

/// Cells that an interruption left unbegun.
pub(super) fn n_not_begun(report: &Report) -> usize {
    report.cells().filter(|(_, cell)| Cell::was_not_begun(cell)).count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        record::{Failure, Header, Measured, Outcome, Run, Sample, Test, TestKind},
        report::{answer::Answer, ranking, terminal},
    };

    /// Two configurations of two tests; the interruption came after `n_measured` cells of four.
    fn interrupted(n_measured: usize) -> Report {
        let outcome = |i: usize| {
            let sample = |ms| Sample { elapsed: Duration::from_millis(ms), ..Sample::default() };
            let samples = vec![sample(100), sample(101), sample(102)];
            if i < n_measured {
                Outcome::Measured(Measured { samples, ..Measured::default() })
            } else {
                Outcome::Failed(Failure {
                    kind: "cancelled".into(),
                    message: "interrupted before the model was loaded".into(),
                })
            }
        };
        let run = |i: usize| {
            let mut header = Header::default();
            header.config.n_ubatch = Some(64 << i);
            let cell = |(j, kind): (usize, TestKind)| Cell {
                test: Test::from(kind),
                started_at: String::new(),
                outcome: outcome(2 * i + j),
            };
            let cells = [TestKind::Pp(32), TestKind::Tg(8)].into_iter().enumerate().map(cell).collect();
            Run { header, cells, curve: vec![] }
        };
        Report { runs: [0, 1].map(run).to_vec() }
    }

    #[test]
    fn what_was_not_begun_did_not_fail() {
        let report = interrupted(3);
        let answer = Answer::of(&report, &[]);
        let said = answer.headline.sentence();
        assert!(
            said.contains("interrupted: 1 of 4 cells was not begun") && !said.contains("failed"),
            "{said}"
        );
        assert!(answer.next.is_empty(), "what comes next is to resume: {:?}", answer.next);
        assert!(answer.said.iter().all(|it| !it.text.contains("failed")), "{:?}", answer.said);
        let ranking = ranking(&report).map(|ranking| ranking.failed);
        assert_eq!(ranking, Some(vec![]));
        let text = terminal::render(&report, terminal::Style::default());
        assert!(!text.contains("cancelled") && !text.contains("failed"), "{text}");
    }

    #[test]
    fn a_configuration_that_was_not_begun_has_no_row() {
        let answer = Answer::of(&interrupted(2), &[]);
        let names: Vec<&str> = answer.configurations.iter().map(|it| &it.name[..]).collect();
        assert_eq!(names, ["ub 64"]);
        assert_eq!(answer.headline.n_doubtful, 0, "{:?}", answer.headline);
        let nothing = Answer::of(&interrupted(0), &[]).headline.sentence();
        assert_eq!(nothing, "Interrupted before anything was measured.");
    }

    #[test]
    fn a_table_has_the_rows_that_were_begun_and_one_line_for_the_others() {
        let table = crate::report::to_string(&interrupted(1), crate::report::Format::Markdown).unwrap();
        assert!(!table.contains("failed") && !table.contains("cancelled"), "{table}");
        assert!(
            table.contains("\n3 tests are not in the table: the sweep was interrupted before them.\n"),
            "{table}"
        );
    }
}
