use std::fmt;

use crate::units::{Share, words::percent_as_written};

/// How much slower a cell may get.
///
/// A slowdown of up to half of it always passes; one of all of it is found if the noise allows. If noise could hide twice as
/// much, the outcome is inconclusive. See [the module](crate::testing#what-an-assertion-says).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    slowdown: Share,
    strict: bool,
}

impl Default for Tolerance {
    /// 5 %.
    fn default() -> Self {
        Self::percent(5)
    }
}

impl Tolerance {
    /// A slowdown of this many percent of the time is one too much.
    pub fn percent(slowdown: u32) -> Self {
        Self { slowdown: Share::percent(slowdown), strict: false }
    }

    /// A slowdown by this share of the time (0.05: takes 5 % longer) is one too much.
    pub fn new(slowdown: Share) -> Self {
        Self { slowdown, strict: false }
    }

    /// Whether a cell fails too if noise could hide a slowdown by the whole tolerance. Not by default.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The slowdown that is too much, as a share of the time.
    pub fn slowdown(self) -> Share {
        self.slowdown
    }

    /// Twice as much: noise that could hide this is worth a warning.
    pub(crate) fn doubled(self) -> Self {
        let twice = Share::new(2.0 * self.slowdown.get()).unwrap_or(self.slowdown);
        Self { slowdown: twice, ..self }
    }

    /// Half of it, up to which a change always passes.
    pub(super) fn halved(self) -> Self {
        Self { slowdown: Share::new(self.slowdown.get() / 2.0).unwrap_or_default(), ..self }
    }

    /// Whether a cell that was too noisy to tell fails too.
    pub fn is_strict(self) -> bool {
        self.strict
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent_as_written(self.slowdown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_print_as_they_are_written() {
        assert_eq!(Tolerance::default().to_string(), "5 %");
        assert_eq!(Tolerance::new(Share::new(0.025).unwrap()).to_string(), "2.5 %");
        assert_eq!(Tolerance::percent(100).to_string(), "100 %");
        assert_eq!(Tolerance::default().doubled(), Tolerance::percent(10));
        assert!(!Tolerance::default().is_strict() && Tolerance::default().strict(true).is_strict());
    }
}
