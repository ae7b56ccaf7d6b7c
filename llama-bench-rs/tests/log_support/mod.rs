//! A subscriber of llama.cpp's log that is a function. The unit tests of `llama` use it too.

use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

pub struct OnLine<F>(F);

/// Calls the function at every line.
pub fn on_line<F: Fn(&Event<'_>) + 'static>(call: F) -> OnLine<F> {
    OnLine(call)
}

impl<F: Fn(&Event<'_>) + 'static> Subscriber for OnLine<F> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        (self.0)(event);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
