use std::fmt;

use crate::units::{Probability, Share, Speedup, words::percent_as_written};

/// What a change must be to count.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// The change of the time that is too much, or worth mentioning: half of it never counts, however surely it was
    /// measured, and no change means surely less than all of it.
    pub tolerance: Share,
    /// The chance of any false alarm in a comparison, over all its lines together.
    pub alpha: Probability,
}

impl Default for Rule {
    /// 2 % at 5 %: 1 % never counts. For showing what differs between two configurations.
    fn default() -> Self {
        Self::new(Share::percent(2))
    }
}

impl fmt::Display for Rule {
    /// What the rule promises, as two sentences: `A change of up to 1 % never counts. …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "A change of up to {} never counts. The chance of any false alarm is held to {}, over all lines together.",
            percent_as_written(self.noise()),
            percent_as_written(self.alpha.as_share())
        )
    }
}

impl Rule {
    /// This tolerance, at 5 %.
    pub fn new(tolerance: Share) -> Self {
        Self { tolerance, alpha: Probability::percent(5) }
    }

    /// A change up to this never counts.
    pub fn noise(self) -> Share {
        Share::new(self.tolerance.get() / 2.0).unwrap_or_default()
    }

    /// Whether a speed over another is so far beyond 1 that it may count.
    pub(crate) fn is_beyond_noise(self, speedup: Speedup) -> bool {
        speedup.change().get() > self.noise().get()
    }

    /// The same as a difference of logarithms.
    pub(super) fn log_noise(self) -> f64 {
        self.noise().get().ln_1p()
    }

    pub(super) fn log_tolerance(self) -> f64 {
        self.tolerance.get().ln_1p()
    }
}
