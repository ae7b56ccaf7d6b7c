use std::fmt;

use super::BaselineError;
use crate::units::text::shortened;

/// A baseline's name: safe as the name of a folder on every system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

const LONGEST: usize = 64;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

impl Name {
    /// Letters, digits, `-`, `_` and `.` of ASCII, a letter or digit at both ends.
    pub(super) fn new(name: &str) -> Result<Self, BaselineError> {
        let refused =
            |reason: &'static str| Err(BaselineError::Name { name: shortened(name, LONGEST), reason });
        let is_plain = |c: char| c.is_ascii_alphanumeric();
        if name.is_empty() {
            return refused("it is empty");
        }
        if name.len() > LONGEST {
            return refused("it is longer than 64 bytes");
        }
        if !name.chars().all(|c| is_plain(c) || matches!(c, '-' | '_' | '.')) {
            return refused("it has characters that cannot be part of a file name everywhere");
        }
        if !name.starts_with(is_plain) || !name.ends_with(is_plain) {
            return refused("it does not begin and end with a letter or digit");
        }
        let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let device = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        if DEVICES.contains(&device) && stem.len() - device.len() <= 1 {
            return refused("Windows keeps it for a device");
        }
        Ok(Self(name.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_branches_and_versions_are_taken() {
        for name in ["main", "v1.2.3", "q4_k_m-gb10", "7", "a..b", "console", "com", "lpt12"] {
            let taken = Name::new(name);
            if DEVICES.contains(&name) {
                assert!(taken.is_err(), "{name}");
            } else {
                assert_eq!(taken.unwrap().as_str(), name);
            }
        }
    }

    #[test]
    fn what_could_leave_the_folder_is_refused() {
        for name in [
            "", ".", "..", "../x", "a/b", "a\\b", "/etc", "C:x", "x.", ".x", "-x", "ü", "a b", "a\0b", "nul",
            "COM1.txt",
        ] {
            let error = Name::new(name).unwrap_err();
            assert!(matches!(error, BaselineError::Name { .. }), "{name:?}");
        }
        assert!(Name::new(&"x".repeat(64)).is_ok());
        assert!(Name::new(&"x".repeat(65)).unwrap_err().to_string().contains("64"));
    }
}
