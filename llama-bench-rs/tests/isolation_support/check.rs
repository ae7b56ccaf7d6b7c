//! Comparing everything that a campaign with faults left, row by row.

use std::{collections::BTreeMap, path::Path};

use llama_bench_rs::{
    bench::{Campaigned, Event, Observer},
    record::{Cell, Report, Sample, Test},
    report::{Journal, read_file},
};

/// What was told of each cell, by configuration: the last state, and whether it had its outcome.
type Told = BTreeMap<(usize, Test), (Cell, bool)>;

/// Keeps what is told, and a journal of it.
pub struct Heard {
    pub journal: Journal,
    told: Told,
    now: usize,
}

impl Heard {
    pub fn new(journal: Journal) -> Self {
        Self { journal, told: Told::new(), now: usize::MAX }
    }

    /// Everything that was told is in the report and in the file, and nothing else.
    pub fn check(self, measured: &Campaigned, file: &Path) {
        self.journal.finish().unwrap();
        let mut told = self.told;
        for (index, run) in measured.report.runs.iter().enumerate() {
            let configuration = &measured.configurations[index];
            assert_eq!(measured.of_run[index], index, "in the order of the configurations");
            assert_eq!(configuration.header.differences(&run.header), [], "its own header");
            assert_eq!(run.cells.iter().map(|cell| cell.test).collect::<Vec<_>>(), configuration.plan.cells);
            for cell in &run.cells {
                assert_eq!(
                    told.remove(&(index, cell.test)),
                    Some((cell.clone(), true)),
                    "{index} {}",
                    cell.test
                );
            }
        }
        assert!(told.is_empty(), "{told:?}");
        let mut kept = read_file(file).unwrap().report;
        // A file has the rows in the order in which they were finished.
        kept.runs.sort_by_key(|run| place(measured, &run.header));
        for (ours, theirs) in measured.report.runs.iter().zip(&kept.runs) {
            let mut theirs = theirs.cells.clone();
            theirs.sort_by_key(|cell| ours.cells.iter().position(|one| one.test == cell.test));
            assert_eq!(ours.cells, theirs);
        }
        assert_eq!(measured.report.runs.len(), kept.runs.len());
    }
}

fn place(measured: &Campaigned, header: &llama_bench_rs::record::Header) -> Option<usize> {
    measured.configurations.iter().position(|one| one.header.differences(header).is_empty())
}

impl Observer for Heard {
    fn event(&mut self, event: &Event<'_>) {
        self.journal.event(event).unwrap();
        match event {
            Event::Configuration { index, .. } => self.now = *index,
            Event::CellSoFar { cell, .. } => self.hear(cell, false),
            Event::CellDone { cell, .. } => self.hear(cell, true),
            _ => {}
        }
    }
}

impl Heard {
    /// What was told once stays.
    fn hear(&mut self, cell: &Cell, done: bool) {
        let before = self.told.insert((self.now, cell.test), ((*cell).clone(), done));
        if let Some((before, was_done)) = before {
            assert!(!was_done, "{} twice", cell.test);
            assert!(samples(cell).starts_with(samples(&before)), "{}: {before:?} became {cell:?}", cell.test);
        }
    }
}

pub fn samples(cell: &Cell) -> &[Sample] {
    cell.measured().map(|measured| &measured.samples[..]).unwrap_or_default()
}

/// Every repetition of the first is in the second, in its place.
pub fn loses_nothing(before: &Report, after: &Report) {
    assert_eq!(before.runs.len(), after.runs.len());
    for (before, after) in before.cells().zip(after.cells()) {
        assert_eq!(before.1.test, after.1.test);
        assert!(samples(after.1).starts_with(samples(before.1)), "{before:?} became {after:?}");
    }
}
