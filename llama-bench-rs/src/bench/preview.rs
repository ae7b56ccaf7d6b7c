//! What a sweep will run and what that takes, before anything is measured.

use std::fmt;

use super::{BenchError, MemoryEstimate, Plan, Sweep};
use crate::record::{Failure, Test};

/// What a sweep will run and what that takes. Its `Display` has a line for each fact.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preview {
    /// Cells and tokens of one run.
    pub counts: Counts,
    /// Tests that this model cannot do, each with the reason that its cell will give.
    pub refused: Vec<(Test, Failure)>,
    /// Estimated memory of the context; `None` if it is not known or nothing can be run.
    pub memory_estimate: Option<MemoryEstimate>,
}

/// Cells and tokens of one run, or of many together. Its `Display` has a line for each kind of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Tests that can be run, each a cell of the report.
    pub n_cells: usize,
    /// Tokens decoded to reach the depths, at most.
    pub n_fill_tokens: u64,
    /// Tokens decoded in timed repetitions.
    pub n_timed_tokens: u64,
    /// Whether a stopping rule may end the repetitions sooner.
    pub is_at_most: bool,
}

impl Sweep<'_> {
    /// What would be run and what that takes; measures nothing.
    ///
    /// ```no_run
    /// use llama_bench_rs::{bench::Sweep, llama::Model};
    ///
    /// let model = Model::load("model.gguf")?;
    /// let preview = Sweep::new(&model).depths([0, 4096]).prompt(512).generate(32).preview()?;
    /// println!("{} cells\n{preview}", preview.counts.n_cells);
    /// # Ok::<(), llama_bench_rs::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn preview(&self) -> Result<Preview, BenchError> {
        let (possible, refused) = self.possible_and_refused()?;
        Ok(Preview::of(&possible, refused, self.memory_estimate_of(&possible)))
    }
}

impl Counts {
    fn of(plan: &Plan) -> Self {
        Self {
            n_cells: plan.cells.len(),
            n_fill_tokens: plan.n_fill_tokens(),
            n_timed_tokens: plan.n_timed_tokens(),
            is_at_most: plan.request.stopping.is_some(),
        }
    }

    /// Adds `n_runs` runs, each of which takes `one`.
    pub fn add_runs(&mut self, one: &Self, n_runs: u32) {
        self.n_cells += one.n_cells * n_runs as usize;
        self.n_fill_tokens += one.n_fill_tokens * u64::from(n_runs);
        self.n_timed_tokens += one.n_timed_tokens * u64::from(n_runs);
        self.is_at_most |= one.is_at_most;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_most = if self.is_at_most { " at most" } else { "" };
        write!(f, "tokens to fill: {}\ntokens to time: {}{at_most}", self.n_fill_tokens, self.n_timed_tokens)
    }
}

impl Preview {
    /// Of the part of a plan that can be run, and the tests that cannot.
    fn of(possible: &Plan, refused: Vec<(Test, Failure)>, memory_estimate: Option<MemoryEstimate>) -> Self {
        Self { counts: Counts::of(possible), refused, memory_estimate }
    }

    /// Refuses a context that does not fit into the memory that is free.
    ///
    /// # Errors
    /// As [`MemoryEstimate::check`].
    pub fn check(&self) -> Result<(), Failure> {
        self.memory_estimate.as_ref().map_or(Ok(()), MemoryEstimate::check)
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (test, failure) in &self.refused {
            writeln!(f, "not possible: {test}: {}", failure.message)?;
        }
        write!(f, "{}", self.counts)?;
        match &self.memory_estimate {
            Some(estimate) => write!(f, "\n{estimate}")?,
            None if self.counts.n_cells > 0 => f.write_str("\nmemory: llama.cpp does not tell")?,
            None => {}
        }
        self.check().or_else(|failure| write!(f, "\ndoes not fit: {}", failure.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::{DeviceEstimate, Request, plan::tests::request},
        record::TestKind,
        stats::StoppingRule,
    };

    fn estimate(free_bytes: u64) -> MemoryEstimate {
        let device =
            DeviceEstimate { context_bytes: 3 << 20, free_bytes: Some(free_bytes), ..Default::default() };
        MemoryEstimate { n_ctx: 256, devices: [("CPU".to_owned(), device)].into() }
    }

    #[test]
    fn every_fact_has_a_line() {
        let plan = request().plan().unwrap();
        let told = Preview::of(&plan, Vec::new(), Some(estimate(9 << 20))).to_string();
        let expected = "tokens to fill: 64\ntokens to time: 108\ncontext: 256 tokens\n\
            CPU: 3.00 MiB for the tokens, 0.00 KiB to compute, 9.00 MiB free";
        assert_eq!(told, expected);

        let rule = StoppingRule { max: 10, ..StoppingRule::new() };
        let plan = Request { stopping: Some(rule), ..request() }.plan().unwrap();
        let unknown = Preview::of(&plan, Vec::new(), None);
        assert!(
            unknown.to_string().ends_with("tokens to time: 360 at most\nmemory: llama.cpp does not tell")
        );
        assert!(unknown.check().is_ok());
        // Of several configurations one may have a rule.
        let mut all = Counts::of(&request().plan().unwrap());
        all.add_runs(&unknown.counts, 2);
        assert_eq!(all.to_string(), "tokens to fill: 192\ntokens to time: 828 at most");
    }

    #[test]
    fn what_cannot_be_run_says_why_and_is_not_counted() {
        let plan = request().plan().unwrap();
        let refusal = Failure { kind: "unsupported".into(), message: "no generation".into() };
        let refused: Vec<_> = plan.cells.iter().map(|&test| (test, refusal.clone())).collect();
        let nothing = Preview::of(&plan.without(|_| true), refused, None);
        let told = nothing.to_string();
        assert_eq!(nothing.counts, Counts::default());
        assert!(
            told.starts_with("not possible: pp8: no generation\nnot possible: tg4: no generation\n"),
            "{told}"
        );
        assert!(told.ends_with("tokens to fill: 0\ntokens to time: 0"), "{told}");

        let some =
            Preview::of(&plan.without(|test| test.kind == TestKind::Tg(4)), Vec::new(), Some(estimate(1)));
        assert_eq!(some.check().unwrap_err().kind, "out_of_memory");
        assert!(some.to_string().contains("\ndoes not fit: a context of 256 tokens takes"), "{some}");
    }
}
