//! Records that the tests of several modules use.

use std::time::Duration;

use super::{Cell, Config, Header, Measured, Outcome, Run, Sample, Test, TestKind};

/// A run of pp100 at depth 0 with this batch size, whose repetitions took so many milliseconds.
pub(crate) fn pp100_run(n_batch: u32, ms: &[u64]) -> Run {
    let sample = |&ms: &u64| Sample { elapsed: Duration::from_millis(ms), ..Sample::default() };
    let measured = Measured { samples: ms.iter().map(sample).collect(), ..Measured::default() };
    let cell = Cell {
        test: Test::from(TestKind::Pp(100)),
        started_at: String::new(),
        outcome: Outcome::Measured(measured),
    };
    let config = Config { n_batch: Some(n_batch), ..Config::default() };
    Run { header: Header { config, ..Header::default() }, cells: vec![cell], curve: Vec::new() }
}
