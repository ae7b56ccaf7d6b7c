//! What is known of a sweep before it runs.

use super::{Subject, Sweep};
use crate::{
    bench::{
        BenchError, MemoryEstimate, Note, Plan,
        llama_target::{abilities, counted, sized},
        notes,
    },
    llama::Backend,
    record::{CellWork, Test},
};

impl Sweep<'_> {
    /// Estimates the memory of the sweep's context by device; `None` if llama.cpp has no estimate or no context is needed.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn memory_estimate(&self) -> Result<Option<MemoryEstimate>, BenchError> {
        Ok(self.memory_estimate_of(&self.possible()?))
    }

    /// The same of the tests that are possible.
    pub(in crate::bench) fn memory_estimate_of(&self, possible: &Plan) -> Option<MemoryEstimate> {
        match self.subject {
            Subject::Model(model) if !possible.cells.is_empty() => {
                let (n_ctx, n_seqs) = (possible.n_ctx(&possible.depths), possible.n_seqs(&possible.depths));
                let params = sized(&self.context, n_ctx, n_seqs);
                MemoryEstimate::of(model, &params, params.n_ctx)
            }
            _ => None,
        }
    }

    /// What a repetition of each test computes and moves, from the graphs of a context that takes no memory, or why it cannot
    /// be counted. Empty if no model was loaded.
    pub(in crate::bench) fn work_of(&self, possible: &Plan) -> Vec<(Test, Result<CellWork, String>)> {
        let Subject::Model(model) = self.subject else { return Vec::new() };
        let (n_ctx, n_seqs) = (possible.n_ctx(&possible.depths), possible.n_seqs(&possible.depths));
        let params = sized(&self.context, n_ctx, n_seqs);
        let abilities = abilities(model, &params);
        let mut context = None;
        let mut count = |test: &Test| {
            if context.is_none() {
                context = model.context_without_memory(&params);
            }
            let context =
                context.as_mut().ok_or("llama.cpp makes no context for this model without memory")?;
            let n_at_once = abilities.n_at_once(test.kind, params.n_batch);
            // A context that broke says so.
            counted(context, test, n_at_once).unwrap_or_else(|failure| Err(failure.message))
        };
        possible.cells.iter().map(|test| (*test, count(test))).collect()
    }

    /// Parameters that llama.cpp accepts although they have no effect, or another effect, for this model on this machine;
    /// empty if there are none or the model was not loaded.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn notes(&self) -> Result<Vec<Note>, BenchError> {
        // Other cells carry their own reason.
        let (backend, plan) = (Backend::init()?, self.possible()?);
        let Subject::Model(model) = self.subject else { return Ok(Vec::new()) };
        Ok(notes::notes(&backend, model, &self.context, &plan))
    }
}
