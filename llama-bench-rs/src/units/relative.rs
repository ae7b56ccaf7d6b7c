//! Numbers without a unit, each kind with a type of its own that prints as readers expect.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number outside the range of its type.
#[derive(Clone, Copy, PartialEq, thiserror::Error)]
#[error("{value} is not {what}: {remedy}")]
pub struct OutOfRange {
    value: f64,
    what: &'static str,
    remedy: &'static str,
}

crate::error::debug_like_display!(OutOfRange);

/// What all of them have in common: a bare number that was checked.
macro_rules! number {
    ($name:ident, $what:literal, $remedy:literal, $is_valid:expr) => {
        impl $name {
            /// From a bare number; `None` unless it is finite and in range.
            pub fn new(number: f64) -> Option<Self> {
                let is_valid: fn(f64) -> bool = $is_valid;
                (number.is_finite() && is_valid(number)).then_some(Self(number))
            }

            /// The bare number.
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = OutOfRange;

            fn try_from(value: f64) -> Result<Self, OutOfRange> {
                Self::new(value).ok_or(OutOfRange { value, what: $what, remedy: $remedy })
            }
        }

        impl From<$name> for f64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }
    };
}

/// The speed of one side over that of another: over 1 is faster. Positive.
///
/// Prints what lies beyond 1 in per cent up to a factor of two (`-4.8 %`), and the factor beyond (`3.9x`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Speedup(f64);

number!(Speedup, "a speedup", "use a number over 0, 1 for equal speeds", |x| x > 0.0);

impl Speedup {
    /// Equal speeds.
    pub const ONE: Self = Self(1.0);

    /// The change of the speed: 0.1 for a speedup of 1.1.
    pub fn change(self) -> Change {
        Change(self.0 - 1.0)
    }
}

impl fmt::Display for Speedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (0.5..=2.0).contains(&self.0) { self.change().fmt(f) } else { factor(self.0, f) }
    }
}

/// How many times as large one quantity is as another of its kind. Positive. Prints as `3.9x`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Multiple(f64);

number!(Multiple, "a multiple", "use a number over 0, 1 for equal quantities", |x| x > 0.0);

impl Multiple {
    /// Equal quantities.
    pub const ONE: Self = Self(1.0);
}

impl fmt::Display for Multiple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        factor(self.0, f)
    }
}

/// `3.9x`; beyond three digits it only says on which side it lies.
fn factor(factor: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let precision = f.precision().unwrap_or(if factor < 1.0 { 2 } else { 1 });
    match factor {
        x if x >= 1000.0 => f.write_str("over 999x"),
        x if x < 0.001 => f.write_str("under 0.001x"),
        x if x < 0.1 => write!(f, "{x:.0$}x", precision.max(3)),
        x => write!(f, "{x:.precision$}x"),
    }
}

/// The size of something in relation to a whole or to a reference: 0 or more. Prints in per cent (`0.25 %`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

number!(Share, "a share", "use 0 or more, 0.25 for 25 %", |x| x >= 0.0);

impl Share {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);

    /// This many per cent.
    pub const fn percent(percent: u32) -> Self {
        Self(percent as f64 / 100.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(2);
        if self.0 >= ABSURD {
            f.write_str("over 999 %")
        } else {
            write!(f, "{:.precision$} %", self.0 * 100.0)
        }
    }
}

/// A probability: 0 to 1. Prints as a p value: `0.03`, `0.0012`, `< 0.0001`; never as 0, which no p value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(f64);

number!(Probability, "a probability", "use a number from 0 to 1", |x| (0.0..=1.0).contains(&x));

impl Probability {
    /// This many per cent, 100 at most.
    pub const fn percent(percent: u32) -> Self {
        Self(if percent < 100 { percent as f64 / 100.0 } else { 1.0 })
    }

    /// The same as a share, which prints in per cent.
    pub fn as_share(self) -> Share {
        Share(self.0)
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(if self.0 < 0.01 { 4 } else { 2 });
        let least = 10f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX));
        if self.0 < least && format!("{:.decimals$}", self.0).bytes().all(|b| matches!(b, b'0' | b'.')) {
            write!(f, "< {least:.decimals$}")
        } else {
            write!(f, "{:.decimals$}", self.0)
        }
    }
}

/// How much something changed in relation to what it was: -0.05 for 5 % less. Prints with its sign (`-5.0 %`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Change(f64);

number!(Change, "a change", "use a finite number, -0.05 for 5 % less", |_| true);

impl Change {
    /// No change.
    pub const ZERO: Self = Self(0.0);

    /// Its size without its sign.
    pub fn size(self) -> Share {
        Share(self.0.abs())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision().unwrap_or(1);
        let shown = format!("{:+.precision$}", self.0 * 100.0);
        // What rounds to nothing has no sign.
        let is_nothing = shown.bytes().all(|byte| !byte.is_ascii_digit() || byte == b'0');
        match self.0 {
            x if x >= ABSURD => f.write_str("over +999 %"),
            x if x <= -ABSURD => f.write_str("under -999 %"),
            _ if is_nothing => write!(f, "{:.precision$} %", 0.0),
            _ => write!(f, "{shown} %"),
        }
    }
}

/// Percentages beyond this are not printed as numbers.
const ABSURD: f64 = 9.995;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speedup_is_a_change_up_to_a_factor_of_two_and_a_factor_beyond() {
        let shown = |x: f64| Speedup::new(x).unwrap().to_string();
        let pairs = [
            (0.952, "-4.8 %"),
            (1.0, "0.0 %"),
            (0.999_99, "0.0 %"),
            (2.0, "+100.0 %"),
            (3.9419, "3.9x"),
            (0.25, "0.25x"),
            (0.0123, "0.012x"),
            (1e-9, "under 0.001x"),
            (1e9, "over 999x"),
        ];
        for (speedup, text) in pairs {
            assert_eq!(shown(speedup), text);
        }
        assert_eq!(format!("{:.0}", Speedup::new(1.057).unwrap()), "+6 %");
        assert_eq!(Speedup::new(1.5).unwrap().change().get(), 0.5);
    }

    #[test]
    fn each_prints_as_its_kind() {
        assert_eq!(Multiple::new(3.9419).unwrap().to_string(), "3.9x");
        assert_eq!(Share::new(0.00254).unwrap().to_string(), "0.25 %");
        assert_eq!(format!("{:.1}", Share::new(30.0).unwrap()), "over 999 %");
        assert_eq!(Probability::new(0.034).unwrap().to_string(), "0.03");
        assert_eq!(Probability::new(0.00123).unwrap().to_string(), "0.0012");
        let p = |p: f64| Probability::new(p).unwrap();
        assert_eq!(
            [0.0, 1e-9, 0.000_04, 0.000_06].map(|x| p(x).to_string()),
            ["< 0.0001"; 3].into_iter().chain(["0.0001"]).collect::<Vec<_>>()[..]
        );
        assert_eq!(
            [format!("{:.4}", p(0.0)), format!("{:.4}", p(0.03)), format!("{:.2}", p(0.0))],
            ["< 0.0001", "0.0300", "< 0.01"]
        );
        assert_eq!([format!("{:.0}", p(0.2)), format!("{:.0}", p(1.0))], ["< 1", "1"]);
        assert_eq!(format!("{:.0}", Probability::percent(5).as_share()), "5 %");
        assert_eq!(Change::new(-0.4536).unwrap().to_string(), "-45.4 %");
        assert_eq!(format!("{:.0}", Change::new(0.157).unwrap()), "+16 %");
        assert_eq!(Change::new(1e6).unwrap().to_string(), "over +999 %");
        assert_eq!(Change::new(-1e-9).unwrap().to_string(), "0.0 %");
        assert_eq!(Change::new(-0.2).unwrap().size(), Share::percent(20));
    }

    #[test]
    fn what_is_out_of_range_does_not_exist() {
        assert_eq!((Speedup::new(0.0), Multiple::new(-1.0)), (None, None));
        assert_eq!((Share::new(-0.01), Probability::new(1.01)), (None, None));
        assert_eq!((Change::new(f64::NAN), Share::new(f64::INFINITY)), (None, None));
        let error = Share::try_from(-0.5).unwrap_err();
        assert_eq!(error.to_string(), "-0.5 is not a share: use 0 or more, 0.25 for 25 %");
        let read: Result<Share, _> = serde_json::from_str("-0.5");
        assert!(read.unwrap_err().to_string().contains("not a share"));
        assert_eq!(serde_json::to_string(&Share::percent(25)).unwrap(), "0.25");
    }
}
