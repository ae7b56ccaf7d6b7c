//! A journal keeps the campaign whose events it receives.

use super::Journal;
use crate::{
    bench::{Event, Observer, places_of},
    report::ReportError,
};

impl Journal {
    /// Writes the rows of an event; most events have none. In a [`Campaign`](crate::bench::Campaign) each run of each
    /// configuration has its place in the file, which does not depend on the order of measuring.
    ///
    /// # Errors
    /// The file cannot be written, or a cell comes before any run.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), ReportError> {
        match *event {
            Event::Campaign(configurations) => {
                // What is of another campaign was refused before.
                if let Ok(places) = places_of(configurations, &self.earlier) {
                    self.arrange(&places);
                }
            }
            Event::Configuration { index, n, run, .. } => {
                self.turn_to(
                    run * u32::try_from(n).unwrap_or(u32::MAX) + u32::try_from(index).unwrap_or(u32::MAX),
                );
            }
            Event::CellSoFar { header, cell, curve } => self.cell_so_far(header, cell, curve)?,
            Event::CellDone { header, cell, curve } => self.cell(header, cell, curve)?,
            _ => {}
        }
        Ok(())
    }
}

impl Observer for Journal {
    /// Writes it as [`Journal::event`] does. After a failure nothing more is written; [`Journal::finish`] returns the error.
    fn event(&mut self, event: &Event<'_>) {
        if self.failed.is_none() {
            self.failed = Journal::event(self, event).err();
        }
    }
}
