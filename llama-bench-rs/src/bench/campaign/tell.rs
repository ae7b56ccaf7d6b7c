//! What a campaign's observer receives: the events of all configurations, each after the name of its own.

use std::cell::{Cell, RefCell};

use super::Configuration;
use crate::bench::{Event, Observer};

/// The one observer of a campaign.
pub(super) struct Stage<'o, 'c> {
    observer: RefCell<&'o mut dyn Observer>,
    configurations: &'c [Configuration],
    /// Whose events come: configuration and run.
    turn: Cell<Option<(usize, u32)>>,
}

impl<'o, 'c> Stage<'o, 'c> {
    pub(super) fn new(observer: &'o mut dyn Observer, configurations: &'c [Configuration]) -> Self {
        Self { observer: RefCell::new(observer), configurations, turn: Cell::new(None) }
    }

    pub(super) fn configuration(&self, index: usize) -> &'c Configuration {
        &self.configurations[index]
    }

    /// An event of no configuration.
    pub(super) fn tell(&self, event: &Event<'_>) {
        self.observer.borrow_mut().event(event);
    }

    /// The observer of a run of a configuration.
    pub(super) fn part(&self, index: usize, run: u32) -> Part<'_, 'o, 'c> {
        Part { stage: self, index, run }
    }
}

impl Observer for &Stage<'_, '_> {
    fn event(&mut self, event: &Event<'_>) {
        self.tell(event);
    }
}

/// Receives the events of a run of a configuration.
pub(super) struct Part<'s, 'o, 'c> {
    stage: &'s Stage<'o, 'c>,
    index: usize,
    run: u32,
}

impl Observer for Part<'_, '_, '_> {
    fn event(&mut self, event: &Event<'_>) {
        let Self { stage, index, run } = *self;
        if stage.turn.replace(Some((index, run))) != Some((index, run)) {
            let name = &*stage.configuration(index).name;
            stage.tell(&Event::Configuration { index, n: stage.configurations.len(), name, run });
        }
        stage.tell(event);
    }
}
