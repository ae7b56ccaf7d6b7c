//! The value of a parameter as text.

use std::time::Duration;

use serde::Serialize;

use super::{FlashAttnSetting, Method, Order, StoppingRule, flag::percent};

/// A field of [`Config`](super::Config), known or not.
pub(super) trait Value {
    /// As a command line has it; `None` if it is not known.
    fn word(&self) -> Option<String>;
    /// As a baseline's key has it; `None` if it is not known.
    fn key_word(&self) -> Option<String>;
    /// Whether a flag can ask for it.
    fn can_be_asked(&self) -> bool;
    /// As the record has it.
    fn json(&self) -> serde_json::Value;
}

/// A value that is known.
trait Word {
    fn word(&self) -> String;

    /// The same words in every version of this crate: they are the names of baselines.
    fn key_word(&self) -> String {
        self.word()
    }

    fn can_be_asked(&self) -> bool {
        true
    }
}

/// Text that is empty is not known.
impl Value for String {
    fn word(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.clone())
    }

    fn key_word(&self) -> Option<String> {
        Value::word(self)
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    fn json(&self) -> serde_json::Value {
        self.as_str().into()
    }
}

impl<T: Word + Serialize> Value for Option<T> {
    fn word(&self) -> Option<String> {
        self.as_ref().map(Word::word).filter(|word| !word.is_empty())
    }

    fn key_word(&self) -> Option<String> {
        self.as_ref().map(Word::key_word).filter(|word| !word.is_empty())
    }

    fn can_be_asked(&self) -> bool {
        self.as_ref().is_none_or(Word::can_be_asked)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

macro_rules! as_displayed {
    ($($type:ty),+) => { $(impl Word for $type {
        fn word(&self) -> String {
            self.to_string()
        }
    })+ };
}

as_displayed!(u32, u64, i32, String);

impl Word for bool {
    fn word(&self) -> String {
        u8::from(*self).to_string()
    }

    fn key_word(&self) -> String {
        self.to_string()
    }
}

impl Word for FlashAttnSetting {
    fn word(&self) -> String {
        match self {
            FlashAttnSetting::Auto => "auto",
            FlashAttnSetting::Off => "0",
            FlashAttnSetting::On => "1",
        }
        .into()
    }

    fn key_word(&self) -> String {
        match self {
            FlashAttnSetting::Auto => "auto",
            FlashAttnSetting::Off => "off",
            FlashAttnSetting::On => "on",
        }
        .into()
    }
}

impl Word for Method {
    fn word(&self) -> String {
        match self {
            Method::FreshContext => "fresh-context",
            Method::Rewind => "rewind",
        }
        .into()
    }

    fn key_word(&self) -> String {
        match self {
            Method::FreshContext => "fresh_context",
            Method::Rewind => "rewind",
        }
        .into()
    }
}

impl Word for Order {
    fn word(&self) -> String {
        match self {
            Order::Auto => "auto",
            Order::Rounds => "rounds",
            Order::Blocks => "blocks",
            Order::Interleaved => "interleaved",
        }
        .into()
    }

    /// A campaign interleaves its configurations by itself: no flag asks for this order.
    fn can_be_asked(&self) -> bool {
        *self != Order::Interleaved
    }
}

impl Word for Duration {
    fn word(&self) -> String {
        self.as_secs_f64().to_string()
    }

    fn key_word(&self) -> String {
        format!("{} s", self.as_secs_f64())
    }
}

impl Word for StoppingRule {
    fn word(&self) -> String {
        percent(self).to_string()
    }
}
