//! llama-bench's notation for lists of numbers: `512`, `512,1024`, `0-4`, `0-32768+4096`, `1-64*2`.
//!
//! ```
//! use llama_bench_rs::bench::range::parse;
//!
//! assert_eq!(parse("1-64*4")?, [1, 4, 16, 64]);
//! let error = parse("9-1").unwrap_err().to_string();
//! assert_eq!(error, r#""9-1": the end is before the start: write 1-9"#);
//! # Ok::<(), llama_bench_rs::bench::range::RangeError>(())
//! ```

/// Most values of one list: more are a typing error.
pub const MAX_VALUES: usize = 10_000;

/// Why a list of numbers was refused.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A part of the list is not a number or range.
    #[error("{} is not a number or range: write 512, 0-4, 0-32768+4096 or 1-64*2", within(part, list))]
    Syntax {
        /// The part.
        part: String,
        /// The whole list.
        list: String,
    },
    /// A number does not fit.
    #[error("{} is too large: the largest value is {}", within(part, list), i32::MAX)]
    TooLarge {
        /// The part.
        part: String,
        /// The whole list.
        list: String,
    },
    /// A range that never ends: its step is 0, or it multiplies by less than 2 or from 0.
    #[error(
        "the range {} does not advance: give a step of at least 1, or a factor of at least 2 and a start above 0",
        within(part, list)
    )]
    Stuck {
        /// The part.
        part: String,
        /// The whole list.
        list: String,
    },
    /// The end of a range is before its start.
    #[error("{}: the end is before the start: write {}", within(part, list), turned_round(part))]
    Empty {
        /// The part.
        part: String,
        /// The whole list.
        list: String,
    },
    /// The list is longer than [`MAX_VALUES`].
    #[error("{list:?} has more than {MAX_VALUES} values: use a larger step")]
    TooMany {
        /// The whole list.
        list: String,
    },
}

crate::error::debug_like_display!(RangeError);

/// The part, and the list if that has more.
fn within(part: &str, list: &str) -> String {
    if part == list { format!("{part:?}") } else { format!("{part:?} in {list:?}") }
}

/// Reads a list of numbers and ranges; values are at most `i32::MAX`, as llama.cpp's are.
///
/// # Errors
/// Names the wrong part of the list and what to write instead. Unlike llama-bench, which takes a range that ends before
/// its start as empty, this is an error.
///
/// ```
/// # use llama_bench_rs::bench::range::parse;
/// assert_eq!(parse("0-32768+8192")?, [0, 8192, 16384, 24576, 32768]);
/// assert_eq!(parse("1-8*2,512")?, [1, 2, 4, 8, 512]);
/// # Ok::<(), llama_bench_rs::bench::range::RangeError>(())
/// ```
pub fn parse(list: &str) -> Result<Vec<u32>, RangeError> {
    // Unsigned lists have no value below 0.
    Ok(values(list, false)?.into_iter().map(i32::unsigned_abs).collect())
}

/// The same, but a value or the start of a range may be negative, as in llama-bench's `-ngl`.
///
/// # Errors
/// As [`parse`].
///
/// ```
/// # use llama_bench_rs::bench::range::parse_signed;
/// assert_eq!(parse_signed("-1,0-99+33")?, [-1, 0, 33, 66, 99]);
/// # Ok::<(), llama_bench_rs::bench::range::RangeError>(())
/// ```
pub fn parse_signed(list: &str) -> Result<Vec<i32>, RangeError> {
    values(list, true)
}

fn values(list: &str, signed: bool) -> Result<Vec<i32>, RangeError> {
    let mut values = Vec::new();
    for part in list.split(',') {
        let range = Range::parse(part, list, signed)?;
        let mut next = Some(range.first);
        while let Some(value) = next.filter(|&value| value <= range.last) {
            if values.len() == MAX_VALUES {
                return Err(RangeError::TooMany { list: list.into() });
            }
            values.push(value);
            next = range.step.after(value);
        }
    }
    Ok(values)
}

/// A range without a sign with its ends exchanged.
fn turned_round(range: &str) -> String {
    let (first, rest) = range.split_once('-').unwrap_or((range, ""));
    let (last, step) = rest.split_at(rest.find(['+', '*']).unwrap_or(rest.len()));
    format!("{last}-{first}{step}")
}

#[derive(Clone, Copy)]
enum Step {
    Add(i32),
    Multiply(i32),
}

impl Step {
    fn after(self, value: i32) -> Option<i32> {
        match self {
            Step::Add(step) => value.checked_add(step),
            Step::Multiply(factor) => value.checked_mul(factor),
        }
    }
}

struct Range {
    first: i32,
    last: i32,
    step: Step,
}

impl Range {
    fn parse(part: &str, list: &str, signed: bool) -> Result<Self, RangeError> {
        let number = |text: &str| number(text, part, list);
        let (sign, unsigned) = match part.strip_prefix('-') {
            Some(unsigned) if signed => (-1, unsigned),
            _ => (1, part),
        };
        let Some((first, rest)) = unsigned.split_once('-') else {
            let value = sign * number(unsigned)?;
            return Ok(Self { first: value, last: value, step: Step::Add(1) });
        };
        let (last, step) = match rest.find(['+', '*']) {
            None => (rest, Step::Add(1)),
            Some(at) if rest[at..].starts_with('+') => (&rest[..at], Step::Add(number(&rest[at + 1..])?)),
            Some(at) => (&rest[..at], Step::Multiply(number(&rest[at + 1..])?)),
        };
        let (first, last) = (sign * number(first)?, number(last)?);
        if last < first {
            return Err(RangeError::Empty { part: part.into(), list: list.into() });
        }
        let stuck = match step {
            Step::Add(step) => step == 0,
            Step::Multiply(factor) => factor < 2 || first <= 0,
        };
        if stuck {
            return Err(RangeError::Stuck { part: part.into(), list: list.into() });
        }
        Ok(Self { first, last, step })
    }
}

fn number(text: &str, part: &str, list: &str) -> Result<i32, RangeError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RangeError::Syntax { part: part.into(), list: list.into() });
    }
    match text.parse::<i32>() {
        Ok(value) => Ok(value),
        // It is all digits: it can only be too large.
        Err(_) => Err(RangeError::TooLarge { part: part.into(), list: list.into() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_read_as_llama_bench_reads_them() {
        assert_eq!(parse("512"), Ok(vec![512]));
        assert_eq!(parse("0-3"), Ok(vec![0, 1, 2, 3]));
        assert_eq!(parse("0-10+4"), Ok(vec![0, 4, 8]));
        assert_eq!(parse("3-50*3,7"), Ok(vec![3, 9, 27, 7]));
        assert_eq!(parse("2147483647"), Ok(vec![2_147_483_647]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (list, part) in
            [("", ""), ("1,,2", ""), ("a", "a"), ("-1", "-1"), ("1-2-3", "1-2-3"), (" 1", " 1")]
        {
            assert_eq!(parse(list), Err(RangeError::Syntax { part: part.into(), list: list.into() }));
        }
        let of = |list: &str| parse(list).unwrap_err().to_string();
        assert!(of("5,0-9+0").contains("\"0-9+0\"") && of("5,0-9+0").contains("does not advance"));
        assert!(of("0-8*2").contains("does not advance") && of("1-8*1").contains("does not advance"));
        assert!(of("5,9-1").contains("\"9-1\" in \"5,9-1\": the end is before the start: write 1-9"));
        assert!(of("x").starts_with("\"x\" is not a number or range: "), "a list of one is said once");
        assert!(of("1,x").starts_with("\"x\" in \"1,x\" is not a number or range: "));
        for (list, remedy) in [("9-1", "1-9"), ("5,9-1+2", "1-9+2"), ("64-1*2", "1-64*2")] {
            let said = of(list);
            assert!(said.ends_with(&format!("the end is before the start: write {remedy}")), "{said}");
            assert!(parse(remedy).is_ok());
        }
        assert!(of("2147483648").contains("too large") && of("99999999999999999999").contains("too large"));
        assert!(of("0-2147483647").contains("more than 10000"));
    }

    #[test]
    fn a_sign_is_taken_where_it_has_a_meaning() {
        assert_eq!(parse_signed("-1"), Ok(vec![-1]));
        assert_eq!(parse_signed("-1,0,99"), Ok(vec![-1, 0, 99]));
        assert_eq!(parse_signed("-1-2"), Ok(vec![-1, 0, 1, 2]));
        assert_eq!(parse_signed("8-32*2"), Ok(vec![8, 16, 32]));
        for list in ["-", "--1", "1--2", "-1*2", "-99999999999"] {
            assert!(parse_signed(list).is_err(), "{list}");
        }
        assert!(parse_signed("-4-8*2").unwrap_err().to_string().contains("does not advance"));
    }

    proptest! {
        #[test]
        fn no_text_panics(list in "[0-9+*,-]{0,24}") {
            let _ = (parse(&list), parse_signed(&list));
        }

        #[test]
        fn ranges_ascend_and_stay_inside(first in 0u32..1000, extra in 0u32..1000, step in 1u32..50) {
            let last = first + extra;
            let values = parse(&format!("{first}-{last}+{step}")).unwrap();
            prop_assert_eq!(values.len() as u32, extra / step + 1);
            prop_assert!(values.is_sorted_by(|a, b| b - a == step));
            prop_assert!(values[0] == first && values[values.len() - 1] <= last);
        }

        #[test]
        fn a_list_of_numbers_is_itself(values in prop::collection::vec(0u32..=i32::MAX as u32, 1..20)) {
            let list = values.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse(&list).unwrap(), values);
        }
    }
}
