//! How long a sweep will take, from a short trial.

use std::time::Duration;

use super::{Subject, Sweep};
use crate::{
    Error,
    bench::{
        BenchError, Plan, TimeLeft,
        forecast::{Tried, after_trial},
        llama_target::LlamaTarget,
        target::Target as _,
    },
    record::{Failure, Report, Test, TestKind},
};

/// Tokens of the prompts and texts of a trial.
const SHORT: u32 = 32;

/// Tokens of the longer ones, which predict better and are tried only if the short ones take less than [`SOON`].
const LONG: u32 = 512;
const SOON: Duration = Duration::from_millis(500);

/// Tokens that a trial generates.
const N_GEN: u32 = 4;

/// What warming up takes, in repetitions of the trial: two or three runs of each kind until they agree.
const N_WARMUPS: f64 = 2.5;

impl Sweep<'_> {
    /// Predicts how long one run of this sweep takes, from a trial: one short prompt and a few generated tokens in an empty
    /// context of its own, without warming up; of several numbers of sequences, for the smallest and the largest. Right to about a factor of two. `None` if the model was not loaded or none
    /// of the planned tests can be tried.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn try_out(&self) -> Result<Option<TimeLeft>, Error> {
        let plan = self.possible()?;
        let levels = plan.cells.iter().map(|cell| cell.n_parallel);
        let (Some(least), Some(most)) = (levels.clone().min(), levels.max()) else { return Ok(None) };
        let mut tried = self.trial(&plan, SHORT, &[least, most], true)?;
        let is_soon = |(test, time): &(Test, Duration)| test.kind.is_generation() || *time < SOON;
        if tried.tests.iter().all(is_soon) {
            let Tried { tests, .. } = self.trial(&plan, LONG, &[least], false)?;
            let is_alike = |one: &Test, other: &Test| {
                one.kind.family() == other.kind.family() && one.n_parallel == other.n_parallel
            };
            tried.tests.retain(|(test, _)| tests.iter().all(|(other, _)| !is_alike(test, other)));
            tried.tests.extend(tests);
        }
        if plan.request.warmup {
            let once: Duration = tried.tests.iter().map(|(_, time)| *time).sum();
            tried.setup += once.mul_f64(N_WARMUPS);
        }
        Ok(after_trial(&plan, &tried))
    }

    /// Why no context can be made as it is asked for, not even for the smallest of the tests; `None` if one can, or the model
    /// was not loaded. Makes one and gives it up.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn refusal(&self) -> Result<Option<Failure>, BenchError> {
        let (Subject::Model(model), plan) = (&self.subject, self.possible()?) else { return Ok(None) };
        let units = plan.depths.iter().flat_map(|depth| &depth.units);
        let smallest = units.map(|&unit| (plan.n_seqs_of(unit), plan.n_ctx_of(unit))).min();
        let made = smallest.map(|(n_seqs, n_ctx)| LlamaTarget::new(model, &self.context).open(n_ctx, n_seqs));
        Ok(made.and_then(Result::err))
    }

    /// One repetition of each kind of test in the plan, with prompts and texts of at most so many tokens, at these numbers
    /// of sequences.
    fn trial(&self, plan: &Plan, n_most: u32, levels: &[u32], generates: bool) -> Result<Tried, Error> {
        let Subject::Model(model) = &self.subject else { return Ok(Tried::default()) };
        let mut sweep = Sweep::new(model).context(self.context.clone()).cancel(self.cancel.clone());
        sweep.request.exclusive = false;
        sweep.request.parallel = levels.to_vec();
        sweep.request.shared_prefix = self.request.shared_prefix;
        let mut sweep = sweep.depths([0]).repetitions(1).warmup(false).record_work(false).energy(false);
        let mut is_empty = true;
        let longest = |is_kind: fn(TestKind) -> bool| {
            plan.cells.iter().filter(|cell| is_kind(cell.kind)).map(|cell| cell.kind.n_tokens()).max()
        };
        if let Some(n) = longest(TestKind::is_prompt) {
            (sweep, is_empty) = (sweep.prompt(n.min(n_most)), false);
        }
        if let Some(n) = longest(TestKind::is_embedding) {
            (sweep, is_empty) = (sweep.embed(n.min(n_most)), false);
        }
        if let Some(n) = longest(TestKind::is_generation).filter(|_| generates) {
            (sweep, is_empty) = (sweep.generate(n.min(N_GEN)), false);
        }
        if is_empty {
            return Ok(Tried::default());
        }
        let Report { runs } = sweep.run()?;
        let Some(run) = runs.first() else { return Ok(Tried::default()) };
        let timed =
            run.cells.iter().filter_map(|cell| Some((cell.test, cell.measured()?.samples.first()?.elapsed)));
        Ok(Tried { setup: run.header.timing.open.unwrap_or_default(), tests: timed.collect() })
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        bench::Sweep,
        gguf::{Shape, Synthetic},
        llama::{ContextParams, FlashAttn, KvType, Model, ModelParams},
        record::Failure,
    };

    #[test]
    fn a_context_that_llama_cpp_refuses_says_why_without_a_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
        let model = Model::load(&path).unwrap();
        let context = ContextParams::default().n_threads(1).n_threads_batch(1);
        let refusal =
            |context: ContextParams| Sweep::new(&model).context(context).generate(4).refusal().unwrap();
        assert_eq!(refusal(context.clone()), None);
        let refused = refusal(context.type_v(KvType::Q8_0).flash_attn(FlashAttn::Off)).unwrap();
        assert!(refused.message.contains("a quantised V cache needs flash attention"), "{refused:?}");
    }

    #[test]
    fn a_short_trial_tells_what_a_sweep_will_take() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
        let model = Model::load(&path).unwrap();
        let context = ContextParams::default().n_threads(1).n_threads_batch(1);
        let asked =
            |n_reps| Sweep::new(&model).context(context.clone()).prompt(64).generate(8).repetitions(n_reps);
        let [few, many] = [5, 5000].map(|n_reps| asked(n_reps).try_out().unwrap().unwrap());
        assert!(few.expected.as_nanos() > 0 && many.expected > 10 * few.expected, "{few:?} {many:?}");
        let why = Failure { kind: "model_load".into(), message: "it is missing".into() };
        let missing = Sweep::not_loaded("a.gguf", &ModelParams::default(), why);
        assert_eq!(missing.prompt(8).try_out().unwrap(), None);
    }
}
