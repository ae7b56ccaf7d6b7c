//! The one table of the configuration's fields: what each is called on a command line, and how its value is written there.

use std::time::Duration;

use serde_json::Value;

use crate::stats::StoppingRule;

/// How a field of [`Config`](crate::record::Config) is asked for.
pub(super) struct Field {
    /// Its name in the record.
    pub(super) field: &'static str,
    /// Its short name, llama-bench's where that has one.
    pub(super) name: &'static str,
    pub(super) flag: Flag,
}

/// The words on the command line that ask for a value.
pub(super) enum Flag {
    /// `-ub 512`.
    Value(&'static str),
    /// The same; a list without items has no value.
    List(&'static str),
    /// A flag without a value, for true.
    Switch(&'static str),
    /// A flag without a value, for false.
    Without(&'static str),
    /// A rule for the number of repetitions.
    Until,
    /// No flag asks for it.
    Nothing,
}

use Flag::{List, Nothing, Switch, Until, Without};

const fn field(field: &'static str, name: &'static str, flag: Flag) -> Field {
    Field { field, name, flag }
}

const fn value(name_in_record: &'static str, name: &'static str, flag: &'static str) -> Field {
    field(name_in_record, name, Flag::Value(flag))
}

/// In llama-bench's order, the fields that it does not have at the end.
pub(super) static FIELDS: [Field; 40] = [
    value("n_gpu_layers", "ngl", "-ngl"),
    value("n_cpu_moe", "ncmoe", "-ncmoe"),
    value("n_threads", "t", "-t"),
    field("n_threads_batch", "tb", Nothing),
    value("cpu_mask", "C", "-C"),
    value("cpu_strict", "cpu-strict", "--cpu-strict"),
    value("poll", "poll", "--poll"),
    value("prio", "prio", "--prio"),
    value("n_batch", "b", "-b"),
    value("n_ubatch", "ub", "-ub"),
    value("type_k", "ctk", "-ctk"),
    value("type_v", "ctv", "-ctv"),
    value("split_mode", "sm", "-sm"),
    value("main_gpu", "mg", "-mg"),
    value("no_kv_offload", "nkvo", "-nkvo"),
    value("flash_attn", "fa", "-fa"),
    value("devices", "dev", "-dev"),
    value("tensor_split", "ts", "-ts"),
    field("tensor_buft_overrides", "ot", List("-ot")),
    value("load_mode", "lm", "-lm"),
    value("lazy_mode", "lzm", "-lzm"),
    value("embeddings", "embd", "-embd"),
    value("no_op_offload", "nopo", "-nopo"),
    value("no_host", "no-host", "--no-host"),
    value("repack", "repack", "--repack"),
    value("fit_target", "fitt", "-fitt"),
    value("fit_min_ctx", "fitc", "-fitc"),
    value("numa", "numa", "--numa"),
    value("delay", "delay", "--delay"),
    value("n_reps", "r", "-r"),
    field("swa_full", "swa-full", Switch("--swa-full")),
    field("n_seq_max", "np", Nothing),
    field("kv_unified", "kvu", Nothing),
    field("check_tensors", "check-tensors", Nothing),
    field("stopping", "until", Until),
    field("warmup", "warmup", Without("--no-warmup")),
    value("method", "method", "--method"),
    value("order", "order", "--order"),
    value("seed", "seed", "--seed"),
    field("pace", "pace", Switch("--pace")),
];

/// What llama-bench measures if nothing is asked for; the number of threads depends on the machine.
pub(super) const DEFAULTS: [(&str, &str); 24] = [
    ("n_gpu_layers", "-1"),
    ("n_cpu_moe", "0"),
    ("cpu_mask", "0x0"),
    ("cpu_strict", "0"),
    ("poll", "50"),
    ("prio", "0"),
    ("n_batch", "2048"),
    ("n_ubatch", "512"),
    ("type_k", "f16"),
    ("type_v", "f16"),
    ("split_mode", "layer"),
    ("main_gpu", "0"),
    ("no_kv_offload", "0"),
    ("flash_attn", "auto"),
    ("devices", "auto"),
    ("tensor_split", "0.00"),
    ("tensor_buft_overrides", "none"),
    ("load_mode", "auto"),
    ("lazy_mode", "auto"),
    ("embeddings", "0"),
    ("no_op_offload", "0"),
    ("no_host", "0"),
    ("repack", "1"),
    ("swa_full", "0"),
];

/// Whether a field has this value if nothing is asked for.
pub(super) fn is_default(field: &str, text: &str) -> bool {
    DEFAULTS.contains(&(field, text))
}

/// Where a field stands in the table; behind it if it does not.
pub(super) fn place(name: &str) -> usize {
    FIELDS.iter().position(|field| field.field == name).unwrap_or(FIELDS.len())
}

impl Field {
    /// The field of this name; `None` if the table does not have it.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        FIELDS.get(place(name))
    }

    /// The words that ask for this value; none if it is what one gets without.
    pub(super) fn words(&self, value: &Value) -> Vec<String> {
        let text = text(self.field, value);
        let two = |flag: &str, text: String| vec![flag.to_owned(), text];
        match self.flag {
            Flag::Value(_) if self.field == "numa" && text == "disabled" => Vec::new(),
            Flag::Value(flag) => two(flag, text),
            List(_) if text == "none" => Vec::new(),
            List(flag) => two(flag, text),
            Switch(flag) if !matches!(value, Value::Null | Value::Bool(false)) => vec![flag.to_owned()],
            Without(flag) if *value == Value::Bool(false) => vec![flag.to_owned()],
            Switch(_) | Without(_) | Nothing => Vec::new(),
            Until => rule(value).map_or_else(Vec::new, |rule| until(&rule)),
        }
    }
}

/// The value of a field as a command line has it.
pub(super) fn text(field: &str, value: &Value) -> String {
    match (field, value) {
        ("flash_attn", Value::String(word)) if word == "on" => "1".into(),
        ("flash_attn", Value::String(word)) if word == "off" => "0".into(),
        ("method", Value::String(word)) => word.replace('_', "-"),
        ("delay", _) => serde_json::from_value::<Duration>(value.clone())
            .map_or_else(|_| value.to_string(), |delay| delay.as_secs_f64().to_string()),
        ("stopping", Value::Null) => "none".into(),
        ("stopping", _) => {
            rule(value).map_or_else(|| value.to_string(), |rule| format!("{}", percent(&rule)))
        }
        ("pace", Value::Null) => "0".into(),
        (_, Value::Bool(is_on)) => u8::from(*is_on).to_string(),
        (_, Value::String(word)) => word.clone(),
        _ => value.to_string(),
    }
}

fn rule(value: &Value) -> Option<StoppingRule> {
    serde_json::from_value(value.clone()).ok()
}

/// Without the last digits of a division by a hundred.
fn percent(rule: &StoppingRule) -> f64 {
    (rule.target.get() * 1e8).round() / 1e6
}

fn until(rule: &StoppingRule) -> Vec<String> {
    let usual = StoppingRule::new();
    let mut words = vec!["--until".to_owned(), percent(rule).to_string()];
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    if rule.min != usual.min {
        add("--min-reps", rule.min.to_string());
    }
    if rule.max != usual.max {
        add("--max-reps", rule.max.to_string());
    }
    if let Some(budget) = rule.budget {
        add("--cell-time", budget.as_secs_f64().to_string());
    }
    words
}
