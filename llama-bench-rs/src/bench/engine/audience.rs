//! The application: it receives events and may ask to stop.

use crate::{
    bench::observe::{Cancel, Event, Observer},
    record::Failure,
};

/// An observer and the request to stop.
pub(super) struct Audience<'a> {
    observer: &'a mut dyn Observer,
    cancel: &'a Cancel,
    is_hearing: bool,
}

impl<'a> Audience<'a> {
    pub(super) fn new(observer: &'a mut dyn Observer, cancel: &'a Cancel) -> Self {
        Self { observer, cancel, is_hearing: false }
    }

    pub(super) fn tell(&mut self, event: &Event<'_>) {
        self.is_hearing = true;
        self.observer.event(event);
        self.is_hearing = false;
    }

    /// Whether a panic that was caught just now came out of the observer.
    pub(super) fn has_panicked(&self) -> bool {
        self.is_hearing
    }

    /// `Err` once the application asked to stop.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure { kind: "cancelled".into(), message: "the sweep was cancelled".into() });
        }
        Ok(())
    }
}
