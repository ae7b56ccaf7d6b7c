//! llama.cpp's log, passed from a child to the parent's subscriber.

use std::{fmt, sync::Arc};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{Told, child::Pipe, tail::Tail};

/// What llama.cpp's lines are logged under.
const LLAMA_CPP: &str = "llama.cpp";

/// The most talkative level that somebody reads in this process: warnings at least, which say why a child ended.
pub(super) fn level() -> String {
    let level = if tracing::enabled!(target: LLAMA_CPP, Level::DEBUG) {
        Level::DEBUG
    } else if tracing::enabled!(target: LLAMA_CPP, Level::INFO) {
        Level::INFO
    } else {
        Level::WARN
    };
    level.to_string()
}

/// Logs a line of a child.
pub(super) fn tell(level: &str, text: &str) {
    match level.parse() {
        Ok(Level::ERROR) => tracing::error!(target: LLAMA_CPP, "{text}"),
        Ok(Level::WARN) => tracing::warn!(target: LLAMA_CPP, "{text}"),
        Ok(Level::INFO) => tracing::info!(target: LLAMA_CPP, "{text}"),
        _ => tracing::debug!(target: LLAMA_CPP, "{text}"),
    }
}

/// Keeps a line that may say why a child ended.
pub(super) fn keep(tail: &Tail, level: &str, text: &str) {
    if let Ok(level @ (Level::ERROR | Level::WARN)) = level.parse() {
        tail.push_log(text, level == Level::ERROR);
    }
}

/// Sends the parent what is logged here, unless the program has a subscriber of its own.
pub(super) fn hand_over(pipe: &Arc<Pipe>, level: &str) {
    let most = level.parse().unwrap_or(Level::WARN);
    // The program's own subscriber stays.
    let _ = tracing::subscriber::set_global_default(ToParent { pipe: Arc::clone(pipe), most });
}

struct ToParent {
    pipe: Arc<Pipe>,
    most: Level,
}

impl Subscriber for ToParent {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.most
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.pipe.tell(&Told::Log { level: event.metadata().level().to_string(), text: text.0 });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The message of an event.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
