//! How an expectation is shown beside what was measured.

use super::{Level, Say};
use crate::{
    judge::{ExpectationVerdict as Verdict, Expected, PrintedRate},
    report::in_words::speed,
};

impl Expected {
    /// How to take it.
    pub fn level(&self) -> Level {
        Say::level(self)
    }

    /// What was measured, in words, with its 95 % interval: `3714 (3485 to 3958) t/s`; empty if nothing was.
    pub fn measured_words(&self) -> String {
        self.measured.map_or_else(String::new, |PrintedRate { rate, bounds, .. }| {
            format!("{} ({} to {}) t/s", speed(rate), speed(bounds.lower()), speed(bounds.upper()))
        })
    }
}

impl Say for Expected {
    fn level(&self) -> Level {
        match self.verdict {
            Verdict::AsExpected => Level::Good,
            Verdict::OnTheEdge => Level::Note,
            Verdict::FallsShort | Verdict::Exceeds | Verdict::NotMeasured => Level::Warning,
        }
    }
}
