//! What a sink writes while cells arrive, one by one and from several runs in turn.

mod report_support;

use llama_bench_rs::with;
use llama_bench_rs::{
    record::{Config, Header, Outcome, Report, Run, Timing},
    report::{self, Format, ReportError, Sink, Stat, together_markdown},
};
use report_support::{assorted, reference};

fn text(report: &Report, format: Format) -> String {
    report::to_string(report, format).unwrap()
}

#[test]
fn writing_cell_by_cell_gives_the_same_file() {
    let report = assorted();
    for format in Format::ALL {
        let mut sink = Sink::new(format, Vec::new());
        sink.announce(&report.runs.iter().map(|run| &run.header).collect::<Vec<_>>());
        for run in &report.runs {
            sink.begin(&run.header).unwrap();
            sink.curve(&run.curve);
            run.cells.iter().for_each(|cell| sink.cell(&run.header, cell).unwrap());
        }
        let file = String::from_utf8(sink.finish().unwrap()).unwrap();
        // Only a whole report has a ranking.
        let ranking =
            if format == Format::Markdown { together_markdown(&report, Stat::Mean) } else { String::new() };
        assert_eq!(file + &ranking, text(&report, format), "{format}");
    }
}

/// Knows what has been flushed.
#[derive(Default)]
struct Flushed {
    pending: Vec<u8>,
    done: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl std::io::Write for Flushed {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.pending.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.done.lock().unwrap().append(&mut self.pending);
        Ok(())
    }
}

#[test]
fn every_cell_is_flushed_as_it_comes() {
    let report = reference();
    let run = &report.runs[0];
    // A line of llama-batched-bench waits for its other half.
    for format in Format::ALL.into_iter().filter(|format| *format != Format::BatchedBench) {
        let out = Flushed::default();
        let done = out.done.clone();
        let mut sink = Sink::new(format, out);
        sink.begin(&run.header).unwrap();
        let mut before = done.lock().unwrap().len();
        for cell in &run.cells {
            sink.cell(&run.header, cell).unwrap();
            let now = done.lock().unwrap().len();
            assert!(now > before, "{format}: nothing was flushed after {}", cell.test);
            before = now;
        }
    }
}

#[test]
fn chunks_of_the_fill_go_with_the_next_cell() {
    let report = reference();
    let run = &report.runs[0];
    let mut sink = Sink::new(Format::Jsonl, Vec::new());
    sink.begin(&run.header).unwrap();
    for (cell, chunk) in run.cells.iter().zip(&run.curve) {
        sink.curve(std::slice::from_ref(chunk));
        sink.cell(&run.header, cell).unwrap();
    }
    let file = String::from_utf8(sink.finish().unwrap()).unwrap();
    let read = report::read_str(&file).unwrap().report;
    assert_eq!(read.runs[0].curve, run.curve);
}

#[test]
fn cells_of_several_runs_may_come_in_turn() {
    let mut report = reference();
    let run = report.runs[0].clone();
    report.runs.push(Run {
        header: with!(Header { config: other_ubatch(&run), ..run.header.clone() }),
        ..run.clone()
    });
    // Equal to the first in all but its number.
    report.runs.push(run);
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let mut sink = Sink::new(format, Vec::new());
        for cell in 0..report.runs[0].cells.len() {
            for (n, run) in (0..).zip(&report.runs) {
                sink.turn_to(n, &run.header).unwrap();
                // The second half of the fill comes before the last cell.
                let (early, late) = run.curve.split_at(run.curve.len() / 2);
                let last = run.cells.len() - 1;
                sink.curve(if cell == 0 {
                    early
                } else if cell == last {
                    late
                } else {
                    &[]
                });
            }
            for (n, run) in (0..).zip(&report.runs) {
                sink.turn_to(n, &run.header).unwrap();
                sink.cell(&run.header, &run.cells[cell]).unwrap();
            }
        }
        let file = String::from_utf8(sink.finish().unwrap()).unwrap();
        let read = report::read_str(&file).unwrap().report;
        assert_eq!(read, report, "{format}");
    }
}

fn other_ubatch(run: &Run) -> Config {
    with!(Config { n_ubatch: Some(77), ..run.header.config.clone() })
}

#[test]
fn what_the_header_learns_later_is_kept() {
    let report = reference();
    let run = &report.runs[0];
    let started_at = run.header.timing.started_at.clone();
    let early =
        with!(Header { timing: with!(Timing { started_at, ..Timing::default() }), ..run.header.clone() });
    let mut sink = Sink::new(Format::Csv, Vec::new());
    sink.begin(&early).unwrap();
    sink.cell(&early, &run.cells[0]).unwrap();
    sink.cell(&run.header, &run.cells[1]).unwrap();
    let file = String::from_utf8(sink.finish().unwrap()).unwrap();
    let read = report::read_str(&file).unwrap().report;
    assert_eq!((read.runs.len(), &read.runs[0].header), (1, &run.header));
}

#[test]
fn a_cell_needs_a_run() {
    let report = reference();
    let run = &report.runs[0];
    let mut sink = Sink::new(Format::Json, Vec::new());
    assert!(matches!(sink.cell(&run.header, &run.cells[0]), Err(ReportError::NotBegun)));
}

struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// As older versions wrote it, if the process was killed while the first repetition was run again.
#[test]
fn a_row_with_nothing_but_what_was_set_aside_is_read_with_a_repetition_that_counts() {
    let mut report = reference();
    for (i, cell) in report.runs[0].cells.iter_mut().enumerate() {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.set_aside = std::mem::take(&mut measured.samples);
            measured.set_aside.truncate(1 - i % 2);
        }
    }
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let read = report::read_str(&text(&report, format)).unwrap().report;
        assert_eq!(read.runs[0].cells.len(), 10);
        for (i, cell) in read.runs[0].cells.iter().enumerate() {
            match cell.measured() {
                Some(measured) => {
                    assert_eq!((i % 2, measured.samples.len(), measured.set_aside.len()), (0, 1, 0));
                }
                None => assert!(i % 2 == 1 && cell.was_not_begun(), "{format}: {cell:?}"),
            }
        }
        assert!(!read.is_complete());
    }
}

#[test]
fn a_full_disk_is_an_error_in_every_format() {
    for format in Format::ALL {
        match report::write(&reference(), format, Full) {
            Err(ReportError::Write(error)) => assert_eq!(error.kind(), std::io::ErrorKind::StorageFull),
            other => panic!("{format}: {other:?}"),
        }
    }
}
