//! On which devices a model is placed: flags whose values are lists themselves, with `/` or `;` between the items.

use std::str::FromStr;

/// The devices of one configuration: names separated by `/`, `auto` or `none`.
#[derive(Clone, Debug, PartialEq)]
pub enum Devices {
    /// llama.cpp chooses.
    Auto,
    /// The CPU alone.
    None,
    /// These, in this order.
    Named(Vec<String>),
}

impl FromStr for Devices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split('/').map(|name| name.trim().to_owned()).collect();
        match names.as_slice() {
            [one] if one == "auto" => Ok(Self::Auto),
            [one] if one == "none" => Ok(Self::None),
            names if names.iter().all(|name| !name.is_empty()) => Ok(Self::Named(names.to_vec())),
            _ => Err(format!(
                "{text:?} has an empty name of a device: write auto, none, or names such as CUDA0/CUDA1"
            )),
        }
    }
}

/// The share of each device in one configuration; empty for shares by free memory.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSplit(pub Vec<f32>);

impl FromStr for TensorSplit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shares = text.split(['/', ';']).map(|share| {
            let share = share.trim();
            let number = share.parse::<f32>().ok().filter(|share| share.is_finite() && *share >= 0.0);
            number.ok_or_else(|| {
                format!("{share:?} in {text:?} is not a share: write numbers, 0 or more, as 3/1")
            })
        });
        let mut shares = shares.collect::<Result<Vec<_>, _>>()?;
        // Devices that are not named have no share; to llama.cpp, no share at all means shares by free memory.
        while shares.last() == Some(&0.0) {
            shares.pop();
        }
        Ok(Self(shares))
    }
}

/// Tensor name patterns of one configuration, and the buffer types that keep the matches.
pub type Overrides = Vec<(String, String)>;

/// The values of one `-ot`: configurations separated by `,`, overrides by `;`. An empty one overrides nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct OverrideList(pub Vec<Overrides>);

impl FromStr for OverrideList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |overrides: &str| {
            split_outside_brackets(overrides, ';')
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(pair)
                .collect()
        };
        split_outside_brackets(text, ',').into_iter().map(one).collect::<Result<_, _>>().map(Self)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    // A pattern may hold the sign itself; the name of a buffer type does not.
    text.rsplit_once('=')
        .map(|(pattern, buffer)| (pattern.to_owned(), buffer.to_owned()))
        .ok_or_else(|| format!("{text:?} is not an override: write PATTERN=BUFFER, such as exps=CPU"))
}

/// Splits at separators outside regular expressions: not in `{1,3}`, `[,;]`, `(a|b)` or after a backslash.
fn split_outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut n_open) = (Vec::new(), 0, 0_u32);
    let (mut escaped, mut in_class) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // Between square brackets the others have no meaning.
            '[' | ']' => in_class = letter == '[',
            _ if in_class => {}
            '{' | '(' => n_open += 1,
            '}' | ')' => n_open = n_open.saturating_sub(1),
            _ if letter == separator && n_open == 0 => {
                parts.push(&text[start..at]);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(text: &str) -> Vec<Vec<(String, String)>> {
        text.parse::<OverrideList>().unwrap().0
    }

    #[test]
    fn a_slash_joins_what_belongs_to_one_value() {
        assert_eq!("3/1".parse(), Ok(TensorSplit(vec![3.0, 1.0])));
        assert_eq!("3;1/0/0".parse(), Ok(TensorSplit(vec![3.0, 1.0])));
        assert_eq!("0".parse(), Ok(TensorSplit(vec![])));
        for (bad, part) in [("3/x", "\"x\""), ("1/nan", "\"nan\""), ("1/-1", "\"-1\""), ("inf", "\"inf\"")] {
            let refused = bad.parse::<TensorSplit>().unwrap_err();
            assert!(refused.contains(&format!("{part} in {bad:?} is not a share")), "{refused}");
        }
        assert_eq!("A / B".parse(), Ok(Devices::Named(vec!["A".into(), "B".into()])));
        assert_eq!("none".parse(), Ok(Devices::None));
        for bad in ["", "A//B", "/"] {
            assert!(bad.parse::<Devices>().unwrap_err().contains("CUDA0/CUDA1"), "{bad}");
        }
    }

    #[test]
    fn overrides_are_lists_of_lists() {
        let cpu = |pattern: &str| (pattern.to_owned(), "CPU".to_owned());
        assert_eq!(overrides("exps=CPU"), [[cpu("exps")]]);
        assert_eq!(overrides("a=CPU;b=CPU"), [[cpu("a"), cpu("b")]]);
        assert_eq!(overrides("a=CPU,,b=CPU"), [vec![cpu("a")], vec![], vec![cpu("b")]]);
        assert_eq!(overrides(""), [vec![]]);
        let pattern = r"blk\.[0-9]{1,2}\.ffn_(up|down)[,;({]\,x";
        assert_eq!(overrides(&format!("{pattern}=CPU,b=CPU")), [[cpu(pattern)], [cpu("b")]]);
        // A text for every layer of a large model.
        let long: Vec<String> = (0..999).map(|layer| format!(r"blk\.{layer}\.=CPU")).collect();
        assert_eq!(overrides(&long.join(";"))[0].len(), 999);
        assert!("exps".parse::<OverrideList>().unwrap_err().contains("PATTERN=BUFFER"));
        assert!("a=CPU;b".parse::<OverrideList>().is_err());
    }
}
