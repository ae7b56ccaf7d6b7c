//! Serving: configurations in turn, one repetition of a load after the other.

use std::time::{Duration, Instant};

use super::{
    Arrivals, LoadRecord, Policy, Scheduler, Serve, ServeError, ServeEvent, ServeObserver, ServeReport,
    ServeRun, ServeTurn, ServedRepetition, TryVerdict, drive,
    llama_server::{self, LlamaServer},
    serve_event::Silent,
    slo_search::{Ended, Kept, Next, Searching},
    stats::kept,
};
use crate::{
    bench::{LlamaTarget, clock::MonotonicClock, lock, target::Target as _, utc_now},
    record::{Failure, FailureKind, Order, Resolved},
};

/// A configuration and its run so far.
pub(super) struct Lane<'a> {
    index: usize,
    serve: Serve<'a>,
    run: ServeRun,
    observer: Observed<'a>,
    /// Reads what the operating system and the devices say; it opens no context.
    target: LlamaTarget,
    refusal: Option<Failure>,
    /// Loads that were asked for; those behind them were tried by a search.
    n_asked: usize,
    began: Instant,
}

/// The observer, or silence.
enum Observed<'a> {
    By(&'a mut dyn ServeObserver),
    Nobody(Silent),
}

impl Observed<'_> {
    fn tell(&mut self, event: &ServeEvent<'_>) {
        match self {
            Self::By(observer) => observer.event(event),
            Self::Nobody(silent) => silent.event(event),
        }
    }
}

impl<'a> Lane<'a> {
    pub(super) fn new(index: usize, mut serve: Serve<'a>) -> Result<Self, ServeError> {
        let mut run = serve.begun()?;
        let n_asked = run.loads.len();
        if let Some(earlier) = serve.earlier.take() {
            take_over(&mut run, earlier);
        }
        serve.lost.iter().for_each(|(load, why)| run.fail(load, why));
        let observer = serve.observer.take().map_or(Observed::Nobody(Silent), Observed::By);
        let target = LlamaTarget::new(serve.model, &serve.context_params());
        let refusal = serve.refusal();
        Ok(Self { index, run, observer, target, refusal, n_asked, serve, began: Instant::now() })
    }

    fn is_cancelled(&self) -> bool {
        self.serve.cancel.is_cancelled()
    }

    /// Serves a repetition of a load, unless it was served before or the load failed.
    fn serve(&mut self, load: usize, rep: u32, n_reps: Option<u32>) {
        let record = &self.run.loads[load];
        if self.is_cancelled() || record.failure.is_some() || record.whole_rep(rep).is_some() {
            return;
        }
        let served = self.refusal.clone().map_or_else(|| self.serve_one(load, rep, n_reps), Err);
        match served {
            Ok(repetition) => self.keep(load, repetition),
            Err(failure) => self.fail(load, failure),
        }
        self.run.header.timing.wall = Some(self.began.elapsed());
    }

    /// Serves a repetition in a context of its own.
    fn serve_one(&mut self, load: usize, rep: u32, n_reps: Option<u32>) -> Result<ServedRepetition, Failure> {
        let (params, model) = (self.serve.context_params(), self.serve.model);
        let LoadRecord { ref arrivals, n_slots, n_ctx_slot, .. } = self.run.loads[load];
        let arrivals = arrivals.clone();
        if let Some(estimate) = llama_server::memory_estimate(model, &params, n_slots, n_ctx_slot) {
            self.observer.tell(&ServeEvent::MemoryEstimate(&estimate));
            llama_server::check_memory(&estimate, n_slots, n_ctx_slot)?;
        }
        let turn =
            ServeTurn { name: &self.run.name, index: self.index, load: &self.run.loads[load], rep, n_reps };
        self.observer.tell(&ServeEvent::Opening(turn));
        let started_at = utc_now();
        let opening = Instant::now();
        let mut server = LlamaServer::open(model, &params, n_slots, n_ctx_slot)?;
        let open = opening.elapsed();
        let workload = self.run.settings.workload_of(rep);
        let vocabulary = llama_server::vocabulary(model);
        if self.run.settings.warmup {
            let warming_up = Instant::now();
            server.warm_up(&workload, vocabulary)?;
            add(&mut self.run.header.timing.warmup, warming_up.elapsed());
        }
        let policy = Policy { n_parallel: n_slots, ..self.run.settings.policy };
        let scheduler = Scheduler::new(policy, &workload, &arrivals, vocabulary)
            .map_err(|error| Failure::new(FailureKind::InvalidParameter, error.to_string()))?;
        self.observer.tell(&ServeEvent::Serving(turn));
        let observer = &mut self.observer;
        // Most decodes are of generated tokens, whatever their number.
        self.target.watch(1);
        let start = Instant::now();
        let clock = MonotonicClock::start();
        let served = drive(scheduler, &mut server, &clock, &self.serve.cancel, &mut |progress| {
            observer.tell(&ServeEvent::Step { turn, progress });
        });
        let disturbance = self.target.disturbance(start.elapsed());
        let conditions = self.target.conditions();
        let resolved = server.resolved();
        if self.run.header.placement.is_none() {
            self.run.header.placement = self.target.placement();
        }
        let timing = &mut self.run.header.timing;
        add(&mut timing.open, open);
        add(&mut timing.timed, served.wall);
        self.run.header.resolved = Resolved { order: self.run.header.resolved.order, ..resolved.clone() };
        self.run.loads[load].resolved = Some(resolved);
        Ok(ServedRepetition { rep, started_at, open: Some(open), disturbance, conditions, served })
    }

    /// Adds a repetition; what cut it short, unless somebody stopped it, fails the load.
    fn keep(&mut self, load: usize, repetition: ServedRepetition) {
        let failure = repetition.served.cut_short.clone();
        let record = &mut self.run.loads[load];
        record.repetitions.push(repetition);
        let (run, record) = (&self.run, &self.run.loads[load]);
        if let Some(repetition) = record.repetitions.last() {
            self.observer.tell(&ServeEvent::RepetitionDone { run, load: record, repetition });
        }
        if let Some(failure) = failure.filter(|failure| failure.kind != FailureKind::Cancelled) {
            self.fail(load, failure);
        }
    }

    fn fail(&mut self, load: usize, failure: Failure) {
        self.run.loads[load].failure = Some(failure);
        let (run, load) = (&self.run, &self.run.loads[load]);
        if let Some(failure) = &load.failure {
            self.observer.tell(&ServeEvent::LoadFailed { run, load, failure });
        }
    }

    /// Looks for the largest load that keeps the service level, if that was asked for.
    fn search(&mut self) {
        let (Some(slo), Some(search)) = (self.run.settings.slo, self.run.settings.search.clone()) else {
            return;
        };
        let mut searching = Searching::new(slo, search);
        let ended = loop {
            let arrivals = match searching.next() {
                Next::Try(arrivals) => arrivals,
                Next::End(ended) => break ended,
            };
            let load = self.place_of(&arrivals);
            let Some((repetitions, verdict)) = self.try_load(load, &mut searching) else {
                break Ended::Interrupted;
            };
            let tried = searching.tried(arrivals, &repetitions, verdict);
            self.observer.tell(&ServeEvent::Tried(tried));
        };
        self.run.capacity = Some(searching.capacity(ended));
        self.observer.tell(&ServeEvent::Searched(&self.run));
    }

    /// Serves repetitions of a load until they show whether it keeps the level; `None` if that was interrupted.
    fn try_load(&mut self, load: usize, searching: &mut Searching) -> Option<(Vec<Kept>, TryVerdict)> {
        let slo = self.run.settings.slo?;
        let mut repetitions = Vec::new();
        loop {
            let rep = repetitions.len() as u32;
            self.serve(load, rep, None);
            let record = &self.run.loads[load];
            let Some(served) = record.whole_rep(rep) else {
                return record.failure.is_some().then_some((repetitions, TryVerdict::Failed));
            };
            repetitions.push(kept(&served.served, &slo));
            if let Some(verdict) = searching.look(&repetitions) {
                return Some((repetitions, verdict));
            }
        }
    }

    /// The place of a load; it is added if it is new.
    fn place_of(&mut self, arrivals: &Arrivals) -> usize {
        let known = self.run.loads.iter().position(|load| load.arrivals == *arrivals);
        known.unwrap_or_else(|| {
            self.run.loads.push(self.serve.load(arrivals));
            self.run.loads.len() - 1
        })
    }

    /// Names the loads that were not begun.
    fn end(mut self) -> ServeRun {
        if self.is_cancelled() {
            for load in self.run.loads.iter_mut().filter(|load| load.repetitions.is_empty()) {
                load.failure.get_or_insert_with(|| {
                    Failure::new(FailureKind::Cancelled, "interrupted before its first repetition was over")
                });
            }
        }
        self.run
    }
}

/// Serves one repetition of each load of each configuration, then the next one; then the searches.
pub(super) fn serve_in_turn(mut lanes: Vec<Lane<'_>>) -> ServeReport {
    let _turn = lanes.iter_mut().find(|lane| lane.serve.exclusive).and_then(|lane| {
        let observer = &mut lane.observer;
        lock::Turn::take(&lane.serve.cancel, || observer.tell(&ServeEvent::Waiting))
    });
    let is_alone = lanes.len() == 1;
    for lane in &mut lanes {
        lane.began = Instant::now();
        let order = if is_alone { Order::Blocks } else { Order::Interleaved };
        lane.run.header.resolved.order = Some(order);
        if lane.run.header.timing.started_at.is_empty() {
            lane.run.header.timing.started_at = utc_now();
        }
        lane.observer.tell(&ServeEvent::Planned(&lane.run));
    }
    let most = |pick: fn(&Lane<'_>) -> usize| lanes.iter().map(pick).max().unwrap_or(0);
    let n_reps = most(|lane| lane.run.settings.n_reps as usize) as u32;
    let n_loads = most(|lane| lane.n_asked);
    for rep in 0..n_reps {
        for turn in 0..n_loads {
            // Each repetition begins with another load, and each load with another configuration.
            let load = (turn + rep as usize) % n_loads;
            for index in crate::bench::turns(lanes.len(), rep.wrapping_add(turn as u32)) {
                let lane = &mut lanes[index];
                let n_reps = lane.run.settings.n_reps;
                if rep < n_reps && load < lane.n_asked {
                    lane.serve(load, rep, Some(n_reps));
                }
            }
        }
    }
    lanes.iter_mut().for_each(Lane::search);
    ServeReport { runs: lanes.into_iter().map(Lane::end).collect() }
}

/// Takes the whole repetitions of an earlier run, and its loads that only a search tried.
fn take_over(run: &mut ServeRun, earlier: ServeRun) {
    run.header.timing = earlier.header.timing;
    run.header.resolved = earlier.header.resolved;
    run.header.placement = earlier.header.placement;
    for load in earlier.loads {
        let repetitions: Vec<_> = load.repetitions.into_iter().filter(ServedRepetition::is_whole).collect();
        match run.loads.iter_mut().find(|ours| ours.arrivals == load.arrivals) {
            Some(ours) => (ours.repetitions, ours.resolved) = (repetitions, load.resolved),
            None => run.loads.push(LoadRecord { repetitions, failure: None, ..load }),
        }
    }
}

fn add(sum: &mut Option<Duration>, part: Duration) {
    *sum = Some(sum.unwrap_or_default() + part);
}

#[cfg(test)]
#[path = "serve_run_tests.rs"]
mod tests;
