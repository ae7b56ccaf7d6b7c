//! A part of a campaign, as a process of its own gets it.

use serde::{Deserialize, Serialize};

use super::{Campaign, Source, Subject};
use crate::{
    Error,
    bench::{Cancel, Observer, Request, Sweep},
    llama::{ContextParams, ModelParams},
    record::{Header, Report},
    units::Share,
};

/// Configurations of a campaign, with all that another process needs to measure them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) of: Vec<PartOf>,
    /// Runs of each.
    pub(crate) n_runs: u32,
    /// Whether they take turns, if they are several.
    pub(crate) interleaved: bool,
    /// Whether their files leave the page cache first.
    pub(crate) redraws: bool,
    /// What was measured of them before.
    pub(crate) earlier: Report,
}

/// One configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PartOf {
    pub(crate) model: Source,
    pub(crate) params: ModelParams,
    pub(crate) context: ContextParams,
    pub(crate) asked: Asked,
}

/// What is measured, in place of the closure that asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    slowdown: Option<Share>,
}

impl Asked {
    /// What a sweep was asked for, by a process that has the turn on this machine.
    pub(crate) fn by(sweep: &Sweep<'_>) -> Self {
        let request = Request { exclusive: false, ..sweep.request.clone() };
        Self { request, slowdown: sweep.slowdown }
    }

    /// Asks another sweep for the same.
    pub(super) fn of<'m>(&self, mut sweep: Sweep<'m>) -> Sweep<'m> {
        (sweep.request, sweep.slowdown) = (self.request.clone(), self.slowdown);
        sweep
    }
}

impl Part {
    /// Measures it in this process, and returns the header of each run that was begun, by its place.
    pub(crate) fn measure(
        self,
        observer: &mut dyn Observer,
        cancel: &Cancel,
    ) -> Result<Vec<(usize, Header)>, Error> {
        let done = self.campaign(cancel).observer(observer).run()?;
        let headers = done.report.runs.into_iter().map(|run| run.header);
        Ok(done.places.into_iter().zip(headers).collect())
    }

    pub(super) fn campaign<'a>(self, cancel: &Cancel) -> Campaign<'a> {
        let mut campaign = Campaign::new()
            .runs(self.n_runs)
            .interleaved(self.interleaved)
            .resume(self.earlier)
            .cancel(cancel.clone());
        campaign.redraws = self.redraws;
        let subject = |PartOf { model, params, context, asked }: PartOf| Subject {
            source: model,
            path: Default::default(),
            params,
            context,
            name: None,
            asked: Some(asked),
        };
        campaign.named = self.of.into_iter().map(subject).collect();
        campaign
    }
}
