//! Which contexts a run will make, by the memory that they would take: as the engine decides it, without making one.

use super::{
    MemoryEstimate, Plan,
    sharing::{Misfit, Sharing},
};
use crate::record::{Failure, Method, Test};

/// The contexts of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contexts {
    /// Those that fit, in the order in which they are made. Each is filled from the start.
    pub(super) estimates: Vec<MemoryEstimate>,
    /// Tokens filled into all of them.
    pub(super) n_fill_tokens: u64,
    /// Tests for which no context fits, each with the reason that its cell will give.
    pub(super) too_large: Vec<(Test, Failure)>,
}

impl Contexts {
    /// Those of a plan; `None` if there is no estimate.
    pub(super) fn of(plan: &Plan, estimate: impl Fn(&Plan) -> Option<MemoryEstimate>) -> Option<Self> {
        let mut found = Self::default();
        let may_put_off = plan.request.method == Method::Rewind;
        let mut sharing = Sharing::of(plan.cells.iter().map(|test| test.n_parallel));
        while sharing.are_left() {
            let is_given_up = |test: &Test| found.too_large.iter().any(|(other, _)| other == test);
            let together = sharing.together();
            let part = plan.without(|test| !together.contains(&test.n_parallel) || is_given_up(test));
            let Some(deepest) = part.depths.last() else {
                sharing.served();
                continue;
            };
            let estimate = estimate(&part)?;
            match estimate.check() {
                Ok(()) => {
                    found.estimates.push(estimate);
                    found.n_fill_tokens += part.n_fill_tokens();
                    sharing.served();
                }
                Err(failure) => {
                    if sharing.does_not_fit(may_put_off) == Misfit::GiveUpDeepest {
                        let cells = deepest.units.iter().flat_map(|unit| unit.cells());
                        found.too_large.extend(cells.map(|cell| (part.cells[cell], failure.clone())));
                    }
                }
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{DeviceEstimate, Request, plan::tests::request};

    /// A machine with room for so many tokens: of each sequence, those of the deepest test.
    fn contexts(plan: &Plan, n_free: u64) -> Contexts {
        let estimate = |part: &Plan| {
            let end = |test: &Test| test.n_depth + test.kind.n_tokens();
            let n_seqs = part.cells.iter().map(|test| test.n_parallel).max().unwrap_or(0);
            let n_ctx = n_seqs * part.cells.iter().map(end).max().unwrap_or(0);
            let context_bytes = u64::from(n_ctx);
            let device =
                DeviceEstimate { context_bytes, free_bytes: Some(n_free), ..DeviceEstimate::default() };
            Some(MemoryEstimate { n_ctx, n_seqs, devices: [("CPU".to_owned(), device)].into() })
        };
        Contexts::of(plan, estimate).unwrap()
    }

    fn plan() -> Plan {
        Request { depths: vec![0, 32, 64], parallel: vec![1, 4, 16], ..request() }.plan().unwrap()
    }

    fn sizes(contexts: &Contexts) -> Vec<(u32, u32)> {
        contexts.estimates.iter().map(|estimate| (estimate.n_seqs, estimate.n_ctx)).collect()
    }

    #[test]
    fn one_context_serves_all_if_it_fits() {
        let found = contexts(&plan(), 16 * 72);
        assert_eq!((sizes(&found), found.n_fill_tokens, found.too_large.len()), (vec![(16, 16 * 72)], 64, 0));
    }

    #[test]
    fn what_does_not_fit_beside_the_others_has_a_context_of_its_own_or_fails() {
        // Sixteen sequences fit at depth 32, not at 64.
        let found = contexts(&plan(), 16 * 40);
        assert_eq!(sizes(&found), [(4, 4 * 72), (16, 16 * 40)]);
        assert_eq!(found.n_fill_tokens, 64 + 32);
        let tests: Vec<String> = found.too_large.iter().map(|(test, _)| test.to_string()).collect();
        assert_eq!(tests, ["pp8 x16 @ d64", "tg4 x16 @ d64"]);
        assert!(found.too_large.iter().all(|(_, failure)| failure.kind == "out_of_memory"));
    }

    #[test]
    fn nothing_fits_where_nothing_is_free() {
        let found = contexts(&plan(), 0);
        assert_eq!(
            (sizes(&found).len(), found.too_large.len(), found.n_fill_tokens),
            (0, plan().cells.len(), 0)
        );
        assert_eq!(Contexts::of(&plan(), |_| None), None);
    }
}
