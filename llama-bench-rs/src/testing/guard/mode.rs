//! What the environment asks of guards.

use std::env;

use super::GuardError;

/// The variable that sets what guards do.
pub(super) const VARIABLE: &str = "LLAMA_BENCH_GUARD";

/// What a [`Guard`](super::Guard) does with its baseline. The environment variable `LLAMA_BENCH_GUARD` chooses by name;
/// without it, guards check if `CI` is set, and save otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuardMode {
    /// `save`: judges, and saves runs until the baseline has enough.
    Save,
    /// `check`: judges and writes nothing; a missing baseline is an error.
    Check,
    /// `renew`: replaces the baseline by what is measured now, and judges nothing.
    Renew,
    /// `add`: adds what is measured now to the baseline, and judges nothing.
    Add,
    /// `off`: measures nothing and passes.
    Off,
}

impl GuardMode {
    const ALL: [Self; 5] = [Self::Save, Self::Check, Self::Renew, Self::Add, Self::Off];

    /// Its name in the environment.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Check => "check",
            Self::Renew => "renew",
            Self::Add => "add",
            Self::Off => "off",
        }
    }

    /// What the environment asks for.
    pub(super) fn of_environment() -> Result<Self, GuardError> {
        let read = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::of(read(VARIABLE).as_deref(), read("CI").as_deref())
    }

    fn of(asked: Option<&str>, ci: Option<&str>) -> Result<Self, GuardError> {
        match asked {
            Some(asked) if !asked.is_empty() => Self::ALL
                .into_iter()
                .find(|mode| mode.name() == asked)
                .ok_or_else(|| GuardError::InvalidMode { value: asked.to_owned() }),
            _ if ci.is_some_and(|ci| !matches!(ci, "" | "0" | "false")) => Ok(Self::Check),
            _ => Ok(Self::Save),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_over_ci_and_ci_checks() {
        let of = |asked, ci| GuardMode::of(asked, ci).unwrap();
        assert_eq!(of(None, None), GuardMode::Save);
        assert_eq!(of(Some(""), Some("true")), GuardMode::Check);
        assert_eq!(of(None, Some("1")), GuardMode::Check);
        for no in ["", "0", "false"] {
            assert_eq!(of(None, Some(no)), GuardMode::Save, "{no:?}");
        }
        for mode in GuardMode::ALL {
            assert_eq!(of(Some(mode.name()), Some("true")), mode);
        }
        let error = GuardMode::of(Some("overwrite"), None).unwrap_err().to_string();
        assert_eq!(error, "LLAMA_BENCH_GUARD=overwrite: not a mode; write save, check, renew, add or off");
    }
}
