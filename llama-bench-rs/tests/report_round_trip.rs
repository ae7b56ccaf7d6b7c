//! Any report comes back equal from any format that keeps everything.

mod report_strategies;
mod report_support;

use llama_bench_rs::{
    record::Report,
    report::{self, Format},
};
use proptest::prelude::*;
use report_strategies::any_report;
use report_support::sqlite::through_sqlite;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn json_jsonl_and_csv(report in any_report()) {
        for format in [Format::Json, Format::Jsonl, Format::Csv] {
            let text = report::to_string(&report, format).unwrap();
            let loaded = report::read_str(&text).unwrap();
            prop_assert_eq!(&loaded.report, &report, "{}", format);
            prop_assert!(loaded.skipped.is_empty());
        }
    }

    #[test]
    fn sql(report in any_report()) {
        let rows = through_sqlite(&report::to_string(&report, Format::Sql).unwrap());
        prop_assert_eq!(serde_json::from_value::<Report>(rows).unwrap(), report);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn sqlite(report in any_report()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.sqlite");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch(&report::to_string(&report, Format::Sql).unwrap()).unwrap();
        db.close().unwrap();
        prop_assert_eq!(report::read_file(&path).unwrap().report, report);
    }

    #[test]
    fn serde(report in any_report()) {
        let text = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn markdown_has_a_line_per_cell(report in any_report()) {
        let text = report::to_string(&report, Format::Markdown).unwrap();
        let tables = text.lines().filter(|line| line.starts_with("| ---")).count();
        let lines = text.lines().filter(|line| line.starts_with('|')).count();
        let together = report::between_runs(&report).len();
        prop_assert_eq!(lines, report.cells().count() + together + 2 * tables);
    }

    /// Whatever a file holds, reading it ends in a report or an error.
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), start in prop::sample::select(vec!["", "[", "{", "[{"])) {
        let _ = report::read_str(&format!("{start}{text}"));
    }

    #[test]
    fn a_file_cut_short_is_never_taken_for_another(report in any_report(), cut in 0.0..1.0f64) {
        for format in [Format::Json, Format::Jsonl, Format::Csv] {
            let text = report::to_string(&report, format).unwrap();
            let end = (text.len() as f64 * cut) as usize;
            let end = (0..=end).rev().find(|&end| text.is_char_boundary(end)).unwrap();
            if let Ok(loaded) = report::read_str(&text[..end]) {
                // JSONL and CSV may end after a whole row. What is there is what was written.
                prop_assert!(loaded.report.cells().count() <= report.cells().count(), "{}", format);
                for ((_, got), (_, written)) in loaded.report.cells().zip(report.cells()) {
                    prop_assert_eq!(got, written, "{}", format);
                }
            }
        }
    }
}
