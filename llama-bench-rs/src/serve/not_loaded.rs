//! A configuration whose model was not loaded keeps its place among the others.

use super::{Arrivals, LoadRecord, Policy, ServeRun, ServeSettings, Workload};
use crate::record::{Failure, Header};

impl ServeRun {
    /// A run in which every load, or the first of a search, carries the reason.
    pub fn not_loaded(
        name: &str,
        header: Header,
        settings: ServeSettings,
        loads: &[Arrivals],
        why: &Failure,
    ) -> Self {
        let searched = settings.search.as_ref().map(|search| search.from.clone());
        let failed = |arrivals: Arrivals| {
            let mut load = LoadRecord::new(arrivals, settings.policy.n_parallel, 0);
            load.failure = Some(why.clone());
            load
        };
        let loads = loads.iter().cloned().chain(searched).map(failed).collect();
        Self { name: name.to_owned(), header, settings, loads, capacity: None }
    }

    /// Gives the reason to a load, which has a record from then on.
    pub(crate) fn fail(&mut self, arrivals: &Arrivals, why: &Failure) {
        let place = self.loads.iter().position(|load| load.arrivals == *arrivals).unwrap_or_else(|| {
            self.loads.push(LoadRecord::new(arrivals.clone(), self.settings.policy.n_parallel, 0));
            self.loads.len() - 1
        });
        self.loads[place].failure = Some(why.clone());
    }

    /// Gives the reason to every load that has fewer repetitions than were asked for.
    pub fn fail_rest(&mut self, why: &Failure) {
        let n_reps = self.settings.n_reps as usize;
        for load in self.loads.iter_mut().filter(|load| load.whole().count() < n_reps) {
            load.failure = Some(why.clone());
        }
    }
}

impl Default for ServeSettings {
    /// What [`Serve`](super::Serve) begins with.
    fn default() -> Self {
        let (policy, workload) = (Policy::default(), Workload::default());
        Self { policy, workload, n_reps: 3, warmup: true, slo: None, search: None }
    }
}
