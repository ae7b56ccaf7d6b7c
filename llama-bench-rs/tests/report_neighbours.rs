//! What a report says about disturbed repetitions and the place of memory.

mod report_support;

use llama_bench_rs::with;
use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::{
        self, Format,
        insights::{Insight, Level, insights},
    },
};
use report_support::reference;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The first run's first cell.
fn first(report: &mut Report) -> &mut Measured {
    let Outcome::Measured(measured) = &mut report.runs[0].cells[0].outcome else { panic!("no samples") };
    measured
}

/// Every repetition on one thread, which waited for this part of its time in per cent.
fn waiting(percent: impl Fn(usize) -> u32) -> Report {
    let mut report = reference();
    for cell in &mut report.runs[0].cells {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            for (i, sample) in measured.samples.iter_mut().enumerate() {
                let waited = Some(sample.elapsed * percent(i) / 100);
                sample.disturbance =
                    Some(with!(Disturbance { n_threads: Some(1), waited, ..Disturbance::default() }));
            }
        }
    }
    report
}

fn about(report: &Report, word: &str) -> Option<(Level, String)> {
    let said = insights(report).into_iter().find(|insight: &Insight| insight.to_string().contains(word));
    said.map(|insight| (insight.level(), insight.to_string()))
}

fn neighbours(report: &Report) -> Option<(Level, String)> {
    about(report, "Other programs")
}

#[test]
fn a_quiet_run_says_that_it_was_one() {
    let (level, text) = neighbours(&waiting(|_| 1)).unwrap();
    assert_eq!(level, Level::Good);
    assert!(text.contains("disturbed no repetition"), "{text}");
}

#[test]
fn disturbed_repetitions_are_counted_with_what_was_seen() {
    let report = waiting(|i| if i == 0 { 10 } else { 0 });
    let n_cells = report.runs[0].cells.iter().filter(|cell| cell.measured().is_some()).count();
    let n_reps = report.runs[0].cells.iter().map(|cell| cell.rates().len()).sum::<usize>();
    let (level, text) = neighbours(&report).unwrap();
    assert_eq!(level, Level::Warning);
    assert!(
        text.starts_with(&format!("Other programs disturbed {n_cells} of {n_reps} repetitions")),
        "{text}"
    );
    assert!(text.contains("They are counted."), "{text}");
}

#[test]
fn what_was_repeated_is_no_warning_and_no_figure() {
    let mut report = waiting(|_| 0);
    let before = report::to_string(&report, Format::Markdown).unwrap();
    let measured = first(&mut report);
    let disturbance =
        with!(Disturbance { n_threads: Some(1), waited: Some(ms(900)), ..Disturbance::default() });
    measured.set_aside =
        vec![with!(Sample { elapsed: ms(2000), disturbance: Some(disturbance), ..Sample::default() })];
    let (level, text) = neighbours(&report).unwrap();
    assert_eq!(level, Level::Note);
    assert!(text.contains("waited for a core for 900 ms of 2.00 s"), "{text}");
    assert!(text.contains("It was repeated and left out of the figures"), "{text}");
    let table = |text: &str| text.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    let after = report::to_string(&report, Format::Markdown).unwrap();
    assert_eq!(table(&before), table(&after), "the figures are the same");

    let sample = &mut first(&mut report).samples[0];
    sample.disturbance = Some(with!(Disturbance { waited: Some(sample.elapsed), ..disturbance }));
    let (level, text) = neighbours(&report).unwrap();
    assert_eq!(level, Level::Warning);
    assert!(text.contains("1 was repeated and left out of the figures; 1 is counted"), "{text}");
}

#[test]
fn that_instructions_cannot_be_counted_is_said_once() {
    let mut report = waiting(|_| 0);
    let said = |report: &Report| {
        let said = insights(report);
        said.iter().filter(|insight| insight.to_string().contains("Retired instructions")).count()
    };
    assert_eq!(said(&report), 1);
    for sample in &mut first(&mut report).samples {
        sample.disturbance.as_mut().unwrap().n_instructions = Some(5);
    }
    assert_eq!(said(&report), 0);
}

#[test]
fn what_is_not_known_is_not_told() {
    assert_eq!(neighbours(&reference()), None);
}

#[test]
fn a_model_mapped_in_small_pages_is_told() {
    let mut report = reference();
    let header = &mut report.runs[0].header;
    header.resolved.offloaded_layers = Some((0, 25));
    let size = header.model.size_bytes.unwrap();
    let placement = with!(Placement {
        file_mapped: Some(size),
        file_pmd_mapped: Some(0),
        anonymous: Some(1 << 20),
        ..Placement::default()
    });
    let said = |report: &mut Report, placement, n_offloaded| {
        report.runs[0].header.placement = placement;
        report.runs[0].header.resolved.offloaded_layers = Some((n_offloaded, 25));
        about(report, "small pages")
    };
    let (level, text) = said(&mut report, Some(placement), 0).unwrap();
    assert_eq!(level, Level::Note);
    assert!(text.contains("-lm none") && text.contains("9 %"), "{text}");
    let in_huge_pages = with!(Placement { file_pmd_mapped: Some(size / 2), ..placement });
    let not_mapped = with!(Placement { file_mapped: Some(size / 10), ..placement });
    let unknown = with!(Placement { file_pmd_mapped: None, ..placement });
    for other in [Some(in_huge_pages), Some(not_mapped), Some(unknown), None] {
        assert_eq!(said(&mut report, other, 0), None, "{other:?}");
    }
    assert_eq!(said(&mut report, Some(placement), 25), None, "on a GPU");
}

#[test]
fn a_disturbed_repetition_and_what_was_set_aside_survive_and_are_no_part_of_a_mean() {
    let ms = Duration::from_millis;
    let disturbance = with!(Disturbance {
        n_threads: Some(1),
        waited: Some(ms(50)),
        n_preempted: Some(3),
        ..Disturbance::default()
    });
    let quiet = with!(Sample { elapsed: ms(100), ..Sample::default() });
    let disturbed = with!(Sample { elapsed: ms(150), disturbance: Some(disturbance), ..Sample::default() });
    let measured = with!(Measured {
        samples: vec![quiet.clone(), disturbed.clone()],
        set_aside: vec![disturbed],
        ..Measured::default()
    });
    let cell = Cell {
        test: Test::from(TestKind::Pp(8)),
        started_at: String::new(),
        outcome: Outcome::Measured(measured),
    };
    let placement = Some(with!(Placement { file_mapped: Some(1 << 30), ..Placement::default() }));
    let header = with!(Header { placement, ..Header::default() });
    let report = Report { runs: vec![Run { header, cells: vec![cell], curve: vec![] }] };
    for format in [Format::Json, Format::Jsonl, Format::Csv, Format::Sql] {
        let text = report::to_string(&report, format).unwrap();
        if format != Format::Sql {
            assert_eq!(report::read_str(&text).unwrap().report, report, "{format:?}");
        }
        assert!(text.contains("125000000"), "{format:?}: the mean of the two samples");
    }
}
