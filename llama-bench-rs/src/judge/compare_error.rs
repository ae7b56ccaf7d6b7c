/// Why sides cannot be compared.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Pairs of runs have two sides.
    #[error("{before} and {after} runs do not make pairs: compare the runs that both sides have")]
    UnpairedRuns {
        /// Runs of the first side.
        before: usize,
        /// Runs of the second side.
        after: usize,
    },
    /// A side was not measured.
    #[error("a comparison of runs needs at least one run on each side: measure the other side too")]
    NoRuns,
    /// A ratio of no time.
    #[error("a sample took no time: its speed is not defined")]
    NoTime,
}

crate::error::debug_like_display!(CompareError);
