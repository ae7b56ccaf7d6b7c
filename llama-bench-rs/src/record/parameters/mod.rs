//! What is known of each parameter of a configuration, from the one [table](table): its names, its flag, its default,
//! and whether it is part of a baseline's key. Code that shows, compares or asks for parameters uses this list and
//! names none of them.

mod flag;
mod order;
mod table;
mod word;

use std::time::Duration;

use super::{FlashAttnSetting, Method, Order};
use crate::stats::StoppingRule;

pub(crate) use flag::Flag;
pub(crate) use table::{own::own_parameters, parameters};
use word::Value;

/// A parameter of a configuration.
pub(crate) struct Parameter {
    /// Its field of [`Config`].
    pub(crate) field: &'static str,
    /// Its column in files.
    pub(crate) row: &'static str,
    /// Its short name, llama-bench's if that has one.
    pub(crate) name: &'static str,
    /// How a command line asks for it.
    pub(crate) flag: Flag,
    key: Key,
    /// What a missing value means; `None` if it means that the value is not known.
    pub(crate) absent: Option<&'static str>,
    /// The default; `None` if it depends on the machine.
    pub(crate) default: Option<&'static str>,
    /// Heading and width of its column in Markdown, aligned left if negative. Without one it has a column only if
    /// configurations differ in it.
    pub(crate) column: Option<(&'static str, isize)>,
    /// How the lines above a table show it.
    pub(crate) shown: Shown,
    value: fn(&Config) -> &dyn Value,
}

/// Whether a baseline's key has a parameter: it does, unless the parameter changes no speed.
enum Key {
    /// Under the name of its field.
    Yes,
    /// Under this name.
    As(&'static str),
    No,
}

/// How the lines above a table show a parameter. `{}` is its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shown {
    /// In this line in these words, if it is known.
    Always(&'static str, &'static str),
    /// In this line in these words, if it is not the default.
    Changed(&'static str, &'static str),
    /// By its short name beside others of its kind, if it is not the default.
    ByName,
    /// In words that need more than its value: `report/summary_text.rs` has them.
    InCode,
}

/// The defaults of an entry.
const PLAIN: Parameter = Parameter {
    field: "",
    row: "",
    name: "",
    flag: Flag::Nothing,
    key: Key::Yes,
    absent: None,
    default: None,
    column: None,
    shown: Shown::ByName,
    value: |config| &config.n_batch,
};

macro_rules! list {
    (llama_bench { $($llama_bench:tt)* } own { $($own:tt)* }) => { list! { $($llama_bench)* $($own)* } };
    ($(
        $(#[$($doc:tt)*])*
        $field:ident: $type:ty
            [$kind:ident $row:ident: $($in_row:tt)*] [$($known:tt)*] $other:tt $from:tt $arg:tt;
    )*) => {
        /// What was asked for; names and meaning as in llama-bench.
        ///
        /// ```
        /// use llama_bench_rs::record::{Config, FlashAttnSetting};
        ///
        /// let mut config = Config::default();
        /// (config.n_ubatch, config.flash_attn) = (Some(1024), Some(FlashAttnSetting::On));
        /// assert_eq!(config.n_batch, None, "it was not set");
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct Config { $( $(#[$($doc)*])* pub $field: $type, )* }

        /// Every parameter, in the table's order.
        pub(crate) static PARAMETERS: &[Parameter] = {
            use flag::Flag::*;
            use Key::*;
            use Shown::*;
            &[$( Parameter {
                field: stringify!($field),
                row: stringify!($row),
                value: |config| &config.$field,
                $($known)*,
                ..PLAIN
            }, )*]
        };
    };
}

parameters!(list);

impl Parameter {
    /// Its name in a baseline's key; `None` if it changes no speed.
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self.key {
            Key::Yes => Some(self.field),
            Key::As(name) => Some(name),
            Key::No => None,
        }
    }

    /// The value as a command line has it; `None` if it is not known.
    pub(crate) fn word(&self, config: &Config) -> Option<String> {
        (self.value)(config).word().or_else(|| self.absent.map(str::to_owned))
    }

    /// The value as a baseline's key has it; `None` if it is not known.
    pub(crate) fn key_word(&self, config: &Config) -> Option<String> {
        (self.value)(config).key_word()
    }

    /// The value as the record has it; `None` if it is not known.
    pub(crate) fn value(&self, config: &Config) -> Option<serde_json::Value> {
        let value = (self.value)(config);
        let is_known = value.word().is_some() || self.absent.is_some();
        is_known.then(|| value.json())
    }

    /// Whether this is the default.
    pub(crate) fn is_default(&self, config: &Config) -> bool {
        self.default.is_some() && self.word(config).as_deref() == self.default
    }

    /// The words of a command line that ask for the value; empty if no flag does, or if it is what one gets without.
    pub(crate) fn flags(&self, config: &Config) -> Vec<String> {
        let can_be_asked = (self.value)(config).can_be_asked();
        self.word(config).filter(|_| can_be_asked).map_or_else(Vec::new, |word| self.flag.words(word, config))
    }
}

/// Every parameter in the order in which people read them.
pub(crate) fn in_reading_order() -> impl Iterator<Item = &'static Parameter> {
    let place = |parameter: &&Parameter| order::READING.iter().position(|field| *field == parameter.field);
    let first = order::READING.iter().filter_map(|field| PARAMETERS.iter().find(|it| it.field == *field));
    first.chain(PARAMETERS.iter().filter(move |parameter| place(parameter).is_none()))
}

/// The parameters in which these configurations are not all equal, in the order in which people read them. A value that
/// is not known differs from one that is. Threads for prompts are left out if they change with those for generation.
///
/// Code that says how configurations differ asks here.
pub(crate) fn differing(configs: &[&Config]) -> Vec<&'static Parameter> {
    let values = |value: fn(&Config) -> &dyn Value| configs.iter().map(move |config| value(config).json());
    let differs = |parameter: &&Parameter| {
        let mut all = values(parameter.value);
        let first = all.next();
        all.any(|value| Some(value) != first)
    };
    let follows = |parameter: &Parameter| {
        let same = |config: &&Config| config.n_threads_batch == config.n_threads;
        parameter.field == "n_threads_batch" && configs.iter().all(same)
    };
    in_reading_order().filter(|parameter| differs(parameter) && !follows(parameter)).collect()
}

#[cfg(test)]
pub(crate) mod tests;
