//! The words of a command line that ask for a value.

use super::Config;
use crate::stats::StoppingRule;

/// How a command line asks for a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flag {
    /// `-ub 512`.
    Value(&'static str),
    /// The same; this value needs no flag, and the flag cannot set it.
    Unless(&'static str, &'static str),
    /// The same; a stopping rule replaces it.
    Repetitions(&'static str),
    /// A flag without a value, for any value but 0.
    Switch(&'static str),
    /// A flag without a value, for 0.
    Without(&'static str),
    /// The flags of a stopping rule.
    Until,
    /// No flag asks for it.
    Nothing,
}

impl Flag {
    /// The words that ask for this value of this configuration; empty if it is what one gets without.
    pub(super) fn words(self, value: String, config: &Config) -> Vec<String> {
        let two = |flag: &str, value| vec![flag.to_owned(), value];
        match self {
            Flag::Value(flag) => two(flag, value),
            Flag::Unless(flag, without) if value != without => two(flag, value),
            Flag::Repetitions(flag) if config.stopping.is_none() => two(flag, value),
            Flag::Switch(flag) if value != "0" => vec![flag.to_owned()],
            Flag::Without(flag) if value == "0" => vec![flag.to_owned()],
            Flag::Until => config.stopping.as_ref().map(until).unwrap_or_default(),
            Flag::Unless(..) | Flag::Repetitions(_) | Flag::Switch(_) | Flag::Without(_) | Flag::Nothing => {
                Vec::new()
            }
        }
    }
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

/// The rule's target without the last digits of a division by a hundred.
pub(super) fn percent(rule: &StoppingRule) -> f64 {
    (rule.target.get() * 1e8).round() / 1e6
}
