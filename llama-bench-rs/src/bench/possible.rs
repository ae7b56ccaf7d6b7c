//! The tests of a plan that a model can run.

use super::{
    error::BenchError,
    plan::{Plan, Unit},
    sweep::Sweep,
};
use crate::record::{Failure, FailureKind, Test};

impl Sweep<'_> {
    /// The plan without the [`unsupported`](Self::unsupported) tests.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn possible(&self) -> Result<Plan, BenchError> {
        Ok(self.possible_and_refused()?.0)
    }

    /// The plan without the [`unsupported`](Self::unsupported) tests, and these.
    pub(super) fn possible_and_refused(&self) -> Result<(Plan, Vec<(Test, Failure)>), BenchError> {
        let refused = self.unsupported()?;
        let possible = self.plan()?.without(|test| refused.iter().any(|(other, _)| other == test));
        Ok((possible, refused))
    }
}

impl Plan {
    /// Units that would begin past the end of the context that the model was trained for, in tokens (0 if that is not
    /// known), each with the reason. A test that begins at its end is run, as llama-bench runs it: speed does not depend
    /// on what the model was trained for.
    pub(super) fn past_training(&self, n_ctx_train: u32) -> Vec<(Unit, Failure)> {
        let past = |unit: Unit| {
            let n_depth = unit.cells().map(|cell| self.cells[cell].n_depth).min().unwrap_or(0);
            (n_ctx_train > 0 && n_depth > n_ctx_train).then(|| {
                let message = format!(
                    "the model was trained for a context of {n_ctx_train} tokens and this test begins after {n_depth}: \
                     lower the depth"
                );
                (unit, Failure { kind: FailureKind::ContextTooLong, message })
            })
        };
        self.depths.iter().flat_map(|depth| &depth.units).filter_map(|&unit| past(unit)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::{Request, plan::tests::request},
        record::Group,
    };

    #[test]
    fn what_is_refused_counts_nowhere() {
        let pairs = vec![Group { n_prompt: 4, n_gen: 2 }];
        let plan = Request { pairs, ..request() }.plan().unwrap();
        let deep = plan.without(|test| test.n_depth == 64);
        assert_eq!((plan.n_fill_tokens(), deep.n_fill_tokens()), (64, 64), "half of a pair is left at 64");
        let deep = plan.without(|test| test.n_depth >= 64);
        assert_eq!((deep.cells.len(), deep.n_fill_tokens(), deep.depths.len()), (8, 32, 2));
        let no_generation = plan.without(|test| test.kind.is_generation());
        assert_eq!(no_generation.n_timed_tokens(), 3 * 3 * (8 + 4));
        assert_eq!(no_generation.depths[0].units, [Unit::Single(0), Unit::Single(1)]);
        let none = plan.without(|_| true);
        assert_eq!((none.cells.len(), none.n_fill_tokens(), none.n_timed_tokens()), (0, 0, 0));
        assert_eq!(plan.without(|_| false).depths, plan.depths);
    }
}
