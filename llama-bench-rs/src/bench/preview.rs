//! What a sweep will run and what that takes, before anything is measured.

use std::fmt;

use super::{BenchError, MemoryEstimate, Plan, Request, Sweep, contexts::Contexts};
use crate::record::{CellWork, Failure, Method, Order, Test};

/// What a sweep will run and what that takes. Its `Display` has a line for each fact.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Preview {
    /// Cells and tokens of one run.
    pub counts: Counts,
    /// Tests that this model cannot do, each with the reason that its cell will give.
    pub refused: Vec<(Test, Failure)>,
    /// Estimated memory of the context; `None` if it is not known, nothing can be run, or no context fits.
    pub memory_estimate: Option<MemoryEstimate>,
    /// Estimated memory of the contexts that are made after it, one at a time, for numbers of sequences that it has no
    /// memory for. Each is filled from the start.
    pub later_contexts: Vec<MemoryEstimate>,
    /// Tests for which no context fits into the memory that is free, each with the reason that its cell will give.
    pub too_large: Vec<(Test, Failure)>,
    /// The order of repetitions over depths as far as it is known; `None` if there is one depth, or each test has a context
    /// of its own.
    pub order: Option<Order>,
    /// What one repetition of each test computes and moves; tests that cannot be counted are in `uncounted`.
    #[serde(default)]
    pub works: Vec<(Test, CellWork)>,
    /// Tests whose work cannot be counted, each with the reason.
    #[serde(default)]
    pub uncounted: Vec<(Test, String)>,
}

/// Cells and tokens of one run, or of many together. Its `Display` has a line for each kind of token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
        let contexts = Contexts::of(&possible, |part| self.memory_estimate_of(part));
        let mut preview = Preview::of(&possible, refused, contexts);
        for (test, work) in self.work_of(&possible) {
            match work {
                Ok(work) => preview.works.push((test, work)),
                Err(why) => preview.uncounted.push((test, why)),
            }
        }
        Ok(preview)
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

    /// Adds `n_runs` runs that take `one` each.
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
    fn of(possible: &Plan, refused: Vec<(Test, Failure)>, contexts: Option<Contexts>) -> Self {
        let mut counts = Counts::of(possible);
        if let Some(contexts) = &contexts {
            counts.n_fill_tokens = contexts.n_fill_tokens;
        }
        let Contexts { estimates, too_large, .. } = contexts.unwrap_or_default();
        let mut estimates = estimates.into_iter();
        let memory_estimate = estimates.next();
        let Request { method, order, .. } = possible.request;
        let order = (method == Method::Rewind && possible.depths.len() > 1).then_some(match order {
            Order::Auto if memory_estimate.as_ref().is_some_and(|it| !it.has_room_for_whole()) => {
                Order::Blocks
            }
            asked => asked,
        });
        let later_contexts = estimates.collect();
        let (works, uncounted) = (Vec::new(), Vec::new());
        Self { counts, refused, memory_estimate, later_contexts, too_large, order, works, uncounted }
    }

    /// Refuses tests for which no context fits into the memory that is free.
    ///
    /// # Errors
    /// As [`MemoryEstimate::check`].
    pub fn check(&self) -> Result<(), Failure> {
        self.too_large.first().map_or(Ok(()), |(_, failure)| Err(failure.clone()))
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
            None if self.counts.n_cells > 0 && self.too_large.is_empty() => {
                f.write_str("\nmemory: llama.cpp does not tell")?;
            }
            None => {}
        }
        for estimate in &self.later_contexts {
            write!(f, "\nthen a {estimate}")?;
        }
        match self.order {
            Some(Order::Auto) => f.write_str(
                "\norder: over all depths in turn if coming back takes at most a tenth of the time of the repetitions, \
                 which the run finds out; otherwise per depth",
            )?,
            Some(order) => write!(f, "\norder: {order}")?,
            None => {}
        }
        // Tests that fail together have one reason.
        for failed in self.too_large.chunk_by(|(_, one), (_, next)| one == next) {
            write!(f, "\ndoes not fit: {}: {}", names(failed), failed[0].1.message)?;
        }
        for (test, work) in &self.works {
            write!(f, "\none {test}: {work}")?;
        }
        for unknown in self.uncounted.chunk_by(|(_, one), (_, next)| one == next) {
            write!(f, "\nwork not counted: {}: {}", names(unknown), unknown[0].1)?;
        }
        Ok(())
    }
}

/// The tests, comma-separated.
fn names<T>(tests: &[(Test, T)]) -> String {
    tests.iter().map(|(test, _)| test.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::{DeviceEstimate, Request, plan::tests::request},
        record::TestKind,
        stats::StoppingRule,
    };

    /// On a machine with so much free memory; each token of each sequence takes some.
    fn preview(plan: &Plan, refused: Vec<(Test, Failure)>, free_bytes: u64) -> Preview {
        let estimate = |part: &Plan| {
            let n_seqs = part.cells.iter().map(|test| test.n_parallel).max().unwrap_or(0);
            let n_ctx = 256 * n_seqs;
            let context_bytes = u64::from(n_seqs) * (3 << 20);
            let device = DeviceEstimate { context_bytes, free_bytes: Some(free_bytes), ..Default::default() };
            Some(MemoryEstimate { n_ctx, n_seqs, devices: [("CPU".to_owned(), device)].into() })
        };
        Preview::of(plan, refused, Contexts::of(plan, estimate))
    }

    #[test]
    fn every_fact_has_a_line() {
        let plan = request().plan().unwrap();
        let told = preview(&plan, Vec::new(), 9 << 20).to_string();
        let expected = "tokens to fill: 64\ntokens to time: 108\ncontext: 256 tokens\n\
            CPU: 3.00 MiB for the tokens, 0.00 KiB to compute, 9.00 MiB free\norder: per depth";
        assert_eq!(told, expected);

        let rule = StoppingRule { max: 10, ..StoppingRule::new() };
        let plan = Request { stopping: Some(rule), ..request() }.plan().unwrap();
        let unknown = Preview::of(&plan, Vec::new(), None);
        assert!(
            unknown.to_string().contains("tokens to time: 360 at most\nmemory: llama.cpp does not tell\n")
        );
        assert!(unknown.check().is_ok());
        // Of several configurations one may have a rule.
        let mut all = Counts::of(&request().plan().unwrap());
        all.add_runs(&unknown.counts, 2);
        assert_eq!(all.to_string(), "tokens to fill: 192\ntokens to time: 828 at most");
    }

    #[test]
    fn the_order_is_told_as_far_as_it_is_known() {
        let told = |order, depths: &[u32], free_bytes| {
            let plan = Request { order, depths: depths.to_vec(), ..request() }.plan().unwrap();
            preview(&plan, Vec::new(), free_bytes).to_string().lines().last().unwrap().to_owned()
        };
        assert_eq!(told(Order::Rounds, &[0, 64], 9 << 20), "order: interleaved over all depths");
        assert!(
            told(Order::Auto, &[0, 64], 9 << 20).starts_with("order: over all depths in turn if coming back")
        );
        // The context takes 3 of 4 MiB.
        assert_eq!(told(Order::Auto, &[0, 64], 4 << 20), "order: per depth");
        assert!(told(Order::Auto, &[64], 9 << 20).starts_with("CPU: "));
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

        let some = preview(&plan.without(|test| test.kind == TestKind::Tg(4)), Vec::new(), 1);
        assert_eq!(some.check().unwrap_err().kind, "out_of_memory");
        assert!(
            some.to_string()
                .contains("\ndoes not fit: pp8 @ d64, pp8 @ d32, pp8: a context of 256 tokens takes"),
            "{some}"
        );
        assert!(!some.to_string().contains("does not tell"), "{some}");
    }

    #[test]
    fn numbers_of_sequences_that_need_a_context_of_their_own_are_told() {
        let plan = Request { parallel: vec![1, 2, 4], depths: vec![64], prompts: vec![], ..request() };
        let plan = plan.plan().unwrap();
        let all = preview(&plan, Vec::new(), 12 << 20);
        assert!(all.to_string().contains("to fill: 64\n") && all.later_contexts.is_empty(), "{all}");
        assert!(all.to_string().contains("to time: 84\ncontext: 1024 tokens for 4 sequences\n"), "{all}");
        let some = preview(&plan, Vec::new(), 7 << 20);
        assert!(some.to_string().contains("\ncontext: 512 tokens for 2 sequences\n"), "{some}");
        assert!(
            some.to_string().contains("\ndoes not fit: tg4 x4 @ d64: a context of 1024 tokens"),
            "{some}"
        );
        assert!(some.check().is_err());
    }
}
