//! Several sequences at once.

use super::Sweep;
use crate::{
    bench::{Plan, error::BenchError},
    record::{Failure, FailureKind, Test},
};

impl Sweep<'_> {
    /// Sets the numbers of sequences that tests process together, as for as many users at once; 1 by default. Every test is
    /// measured with each of them, at every depth.
    ///
    /// All sequences are at the depth of a test, which is filled once and copied, and each has its own tokens in the test.
    /// Rates are of all sequences together. A number of sequences that does not fit into memory fails its deepest cells;
    /// the others are measured. Models without a memory of past tokens and texts to embed are measured one at a time.
    ///
    /// ```no_run
    /// use llama_bench_rs::{bench::Sweep, llama::Model, record::tg};
    ///
    /// let model = Model::load("model.gguf")?;
    /// let report = Sweep::new(&model).depths([0, 4096]).generate(32).parallel([1, 4, 16]).run()?;
    /// let together = tg(32).parallel(16).at(4096); // 16 tokens in each step
    /// assert!(report.runs[0].cells.iter().any(|cell| cell.test == together));
    /// # Ok::<(), llama_bench_rs::Error>(())
    /// ```
    #[must_use]
    pub fn parallel(mut self, n_sequences: impl IntoIterator<Item = u32>) -> Self {
        self.request.parallel = n_sequences.into_iter().collect();
        self
    }

    /// Sets whether the sequences share the tokens of the depth, as users with the same long prompt do: in one KV buffer
    /// ([`kv_unified`](crate::llama::ContextParams::kv_unified)), where these tokens are read once for all. Off by default:
    /// each sequence has its own copy.
    #[must_use]
    pub fn shared_prefix(mut self, shared: bool) -> Self {
        self.request.shared_prefix = shared;
        self.context.kv_unified = shared;
        self
    }

    /// A step decodes a token of each sequence.
    pub(in crate::bench) fn check_batch(&self, plan: &Plan) -> Result<(), BenchError> {
        self.check_step(plan.n_seqs(&plan.depths))
    }

    /// The same of a step of `n` sequences.
    fn check_step(&self, n: u32) -> Result<(), BenchError> {
        let n_batch = self.context.n_batch;
        // 1 for an invalid batch of 0, which opening a context refuses.
        if n > n_batch.max(1) { Err(BenchError::MoreSequencesThanBatch { n, n_batch }) } else { Ok(()) }
    }

    /// The reason that the cell of a test gives whose step does not fit into a batch.
    pub(super) fn refused_by_batch(&self, test: &Test) -> Option<Failure> {
        let refused = self.check_step(test.n_parallel).err()?;
        Some(Failure::new(FailureKind::InvalidParameter, refused.to_string()))
    }

    /// Lets what cannot be run fail its own cells rather than the whole sweep.
    pub(in crate::bench) fn one_of_several(mut self, is_one: bool) -> Self {
        self.is_one_of_several = is_one;
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        bench::Sweep,
        llama::{ContextParams, ModelParams},
        record::{Failure, tg},
    };

    fn sweep() -> Sweep<'static> {
        let why = Failure { kind: "model_load".into(), message: "it is missing".into() };
        Sweep::not_loaded("a.gguf", &ModelParams::default(), why).generate(8)
    }

    #[test]
    fn numbers_of_sequences_are_a_dimension_of_the_tests() {
        let plan = sweep().depths([0, 64]).parallel([4, 1]).plan().unwrap();
        let expected = [0, 64].map(|n_depth| [1, 4].map(|n| tg(8).parallel(n).at(n_depth)));
        assert_eq!(plan.cells, expected.concat());
    }

    #[test]
    fn a_shared_prefix_is_one_buffer_in_whatever_order_it_is_asked_for() {
        let unified = |sweep: Sweep<'_>| {
            let config = sweep.header().unwrap().config;
            assert_eq!(config.kv_unified, Some(sweep.plan().unwrap().request.shared_prefix));
            config.kv_unified.unwrap()
        };
        let context = ContextParams::default();
        assert!(unified(sweep().shared_prefix(true)));
        assert!(unified(sweep().shared_prefix(true).context(context.clone())));
        assert!(unified(sweep().context(context.clone()).shared_prefix(true)));
        assert!(unified(sweep().context(context.clone().kv_unified(true))));
        assert!(!unified(sweep().context(context.clone().kv_unified(true)).shared_prefix(false)));
        assert!(!unified(sweep().context(context)));
    }

    #[test]
    fn more_sequences_than_a_batch_has_room_for_are_refused() {
        let asked = |n| sweep().parallel([1, n]).context(ContextParams::default().n_batch(16).n_ubatch(16));
        assert!(asked(16).plan().is_ok());
        let said = asked(17).plan().unwrap_err().to_string();
        assert!(said.contains("17 sequences") && said.contains("n_batch is 16"), "{said}");
        assert!(asked(17).run().is_err());
    }
}
