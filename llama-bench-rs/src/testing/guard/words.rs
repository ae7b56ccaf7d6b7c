//! The messages of a guard, each with the command that helps.

use std::env;

use super::{Guard, GuardError, GuardMode, GuardVerdict, Guarded, N_WANTED, least_runs, mode::VARIABLE};
use crate::{
    judge::Verdict,
    judge::baseline::{Baseline, BaselineError, Baselines},
    record::{Report, work::WorkChange},
    testing::Outcome,
};

impl Guard {
    /// The result of the comparison, in words.
    pub(super) fn found(&self, outcome: Outcome, work: &[WorkChange], n_measured: u32) -> Guarded {
        let list = |tests: Vec<String>| (!tests.is_empty()).then(|| tests.join(", "));
        let (busy, noisy): (Vec<_>, Vec<_>) =
            outcome.unsure().partition(|cell| cell.verdict() == Verdict::Inconclusive);
        let is_sure = busy.is_empty() && noisy.is_empty();
        let verdict = if is_sure { GuardVerdict::Passed } else { GuardVerdict::Inconclusive };
        let mut guarded = Guarded::new(verdict, n_measured);
        for (cells, why) in [(busy, "neighbours busy: cannot tell"), (noisy, "too noisy to tell")] {
            if let Some(tests) = list(cells.iter().map(|cell| cell.test.to_string()).collect()) {
                guarded.notes.push(format!(
                    "{why} whether {tests} got slower by {}, twice the tolerance",
                    self.tolerance.doubled()
                ));
            }
        }
        let renew = self.place.command(GuardMode::Renew);
        if outcome.with(Verdict::Improved).next().is_some() {
            guarded.notes.push(format!("faster than the baseline; to hold that speed: {renew}"));
        }
        if let Some(changes) = list(work.iter().map(ToString::to_string).collect()) {
            guarded
                .notes
                .push(format!("llama.cpp computes this in another way than in the baseline: {changes}"));
        }
        if let Some(tests) = list(outcome.uncompared.iter().map(ToString::to_string).collect()) {
            guarded
                .notes
                .push(format!("not in the baseline and not judged: {tests}; to begin anew: {renew}"));
        }
        guarded.outcome = Some(outcome);
        guarded
    }

    /// Why a run is not added to a baseline that wants more.
    pub(super) fn hindrance(
        &self,
        baseline: &Baseline,
        report: &Report,
        is_usual: bool,
        mode: GuardMode,
    ) -> Option<String> {
        let add = self.place.command(GuardMode::Add);
        if mode != GuardMode::Save {
            return Some(format!("nothing is saved here; on this machine run {add}"));
        }
        let build = |report: &Report| report.runs.last().map(|run| run.header.build.clone());
        if build(baseline.report()) != build(report) {
            let command = self.place.command(GuardMode::Renew);
            return Some(format!("this is another build of llama.cpp; to begin anew with it: {command}"));
        }
        (!is_usual).then(|| format!("this run is too far from it; to add it nevertheless: {add}"))
    }

    /// Where a baseline lies and what it still wants.
    pub(super) fn told(&self, saved: &Baseline) -> String {
        let files: Vec<String> =
            saved.files().iter().map(|file| self.place.short(file).to_string()).collect();
        let (n, files) = (least_runs(saved.report()), files.join(", "));
        let next = match n {
            n if n < N_WANTED => "; run the test again at another time",
            _ if saved.n_sittings() == Some(1) => "; all of one sitting: run the test again on another day",
            _ => "",
        };
        format!("saved {n} of {} runs to {files}, check it in{next}", N_WANTED.max(n))
    }

    /// That the baseline is of one sitting, if it is and more runs could change that.
    pub(super) fn sitting(&self, baseline: &Baseline, n_runs: usize) -> String {
        match baseline.n_sittings() {
            Some(1) if n_runs > 1 => {
                let add = self.place.command(GuardMode::Add);
                format!(
                    "\n  the {n_runs} runs of the baseline are of one sitting: add one on another day: {add}"
                )
            }
            _ => String::new(),
        }
    }

    /// The message that there is no baseline of this machine, and why none is made.
    pub(super) fn missing(&self, baselines: &Baselines, has_others: bool) -> GuardError {
        let because = match self.mode {
            Some(_) => "the guard only checks",
            None if env::var_os(VARIABLE).is_some_and(|value| !value.is_empty()) => "LLAMA_BENCH_GUARD=check",
            None => "CI is set",
        };
        let command = self.place.command(GuardMode::Save);
        let folder = baselines.folder().join(&self.name);
        GuardError::NoBaseline { folder, has_others, because, command }
    }

    /// What the store of baselines refused, with what fixes it.
    pub(super) fn refused(&self, source: BaselineError) -> GuardError {
        let renew = || self.place.command(GuardMode::Renew);
        let remedy = match &source {
            BaselineError::Differs { .. } => {
                format!(
                    "\nif the change is intended, begin a baseline of it, on this machine:\n  {}",
                    renew()
                )
            }
            BaselineError::Damaged { .. } | BaselineError::NewerVersion { .. } => {
                format!("\nto begin it anew, on this machine run\n  {}", renew())
            }
            _ => String::new(),
        };
        GuardError::Baseline { source, remedy }
    }
}
