//! Distributions as people write them, and as files hold them.

use std::{fmt, fs::File, io::Read, path::Path, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    DistributionError,
    distribution::{Amount, Distribution, List},
};

/// Larger files are not lists of lengths.
const MOST_BYTES: u64 = 64 << 20;

impl<T: Amount> FromStr for Distribution<T> {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, DistributionError> {
        let text = text.trim();
        let distribution = match text.strip_prefix('@') {
            Some(path) => from_file(Path::new(path))?,
            None => without_files(text)?,
        };
        distribution.check()?;
        Ok(distribution)
    }
}

/// Everything but the name of a file.
fn without_files<T: Amount>(text: &str) -> Result<Distribution<T>, DistributionError> {
    let refused =
        || DistributionError::Syntax { text: text.to_owned(), what: T::WHAT, examples: T::EXAMPLES };
    let amount = |part: &str| T::parse(part.trim()).ok_or_else(refused);
    let parts: Vec<&str> = text.split(':').collect();
    Ok(match parts[..] {
        [value] => Distribution::Fixed(amount(value)?),
        ["uniform", least, most] => Distribution::Uniform { least: amount(least)?, most: amount(most)? },
        ["lognormal", median, sigma, ref most @ ..] if most.len() < 2 => Distribution::Lognormal {
            median: amount(median)?,
            sigma: sigma.trim().parse().map_err(|_| refused())?,
            most: most.first().map(|most| amount(most)).transpose()?,
        },
        ["exponential", mean] => Distribution::Exponential { mean: amount(mean)? },
        ["list", ref values @ ..] => {
            let values = values.iter().map(|value| amount(value)).collect::<Result<_, _>>()?;
            Distribution::List(List { values, file: None })
        }
        _ => return Err(refused()),
    })
}

fn from_file<T: Amount>(path: &Path) -> Result<Distribution<T>, DistributionError> {
    let failed = |source| DistributionError::File { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(DistributionError::FileTooLarge { path: path.to_owned(), n_mib: MOST_BYTES >> 20 });
    }
    let mut values = Vec::new();
    for (line, number) in text.trim_start_matches('\u{feff}').lines().zip(1..) {
        let line = line.split('#').next().unwrap_or_default();
        for word in line.split([' ', '\t', ',', '\r']).filter(|word| !word.is_empty()) {
            values.push(T::parse(word).ok_or_else(|| DistributionError::FileValue {
                path: path.to_owned(),
                line: number,
                word: word.to_owned(),
                what: T::WHAT,
            })?);
        }
    }
    Ok(Distribution::List(List { values, file: Some(path.to_owned()) }))
}

impl<T: Amount> Distribution<T> {
    /// Its text with the values of a list in place of the name of its file, which may change.
    fn in_full(&self) -> String {
        match self {
            Self::Fixed(value) => value.text(),
            Self::Uniform { least, most } => format!("uniform:{}:{}", least.text(), most.text()),
            Self::Lognormal { median, sigma, most } => {
                let most = most.map(|most| format!(":{}", most.text())).unwrap_or_default();
                format!("lognormal:{}:{sigma}{most}", median.text())
            }
            Self::Exponential { mean } => format!("exponential:{}", mean.text()),
            Self::List(list) => {
                list.values.iter().fold("list".to_owned(), |text, value| text + ":" + &value.text())
            }
        }
    }
}

impl<T: Amount> fmt::Display for Distribution<T> {
    /// As it is read. A list from a file is the name of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(List { file: Some(path), .. }) => write!(f, "@{}", path.display()),
            _ => f.write_str(&self.in_full()),
        }
    }
}

impl<T: Amount> Serialize for Distribution<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.in_full())
    }
}

impl<'de, T: Amount> Deserialize<'de> for Distribution<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A report names no file to read.
        let distribution = without_files(&String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        distribution.check().map_err(D::Error::custom)?;
        Ok(distribution)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::serve::{Lengths, Times};

    fn refusal(text: &str) -> String {
        text.parse::<Lengths>().unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let lengths = ["512", "uniform:64:2048", "lognormal:512:0.6", "lognormal:512:0.6:4096"];
        for text in lengths.into_iter().chain(["exponential:100", "list:512:64:2048"]) {
            let read: Lengths = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            let json = serde_json::to_string(&read).unwrap();
            assert_eq!(
                (json.as_str(), serde_json::from_str::<Lengths>(&json).unwrap()),
                (&*format!("{text:?}"), read)
            );
        }
        for (text, exact) in [("0", "0s"), ("1.5s", "1500ms"), ("uniform:1:1m", "uniform:1s:60s")] {
            assert_eq!(text.parse::<Times>().unwrap().to_string(), exact);
        }
        assert_eq!(
            "list:1s:2ms".parse::<Times>().unwrap(),
            Distribution::List(List {
                values: vec![Duration::from_secs(1), Duration::from_millis(2)],
                file: None,
            })
        );
    }

    #[test]
    fn a_file_is_read_in_its_order_and_stays_in_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lengths.txt");
        fs::write(&path, "\u{feff}# prompts of a day\n512, 64\r\n\n2048 # the longest\n").unwrap();
        let text = format!("@{}", path.display());
        let read: Lengths = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(read, Distribution::List(List { values: vec![512, 64, 2048], file: None }));
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(json, r#""list:512:64:2048""#);
        fs::remove_file(&path).unwrap();
        assert_eq!(serde_json::from_str::<Lengths>(&json).unwrap(), read);
        assert!(
            refusal(&text).starts_with(&format!("cannot read {}: ", path.display())),
            "{}",
            refusal(&text)
        );
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lengths.txt");
        let shown = path.display();
        for (content, error) in [
            (
                "512\n64 x",
                format!(r#"{shown}, line 2: "x" is not a number of tokens: write one value after another"#),
            ),
            ("# nothing\n", format!("{shown} holds no number of tokens: write one value after another")),
            ("512 0", "0 is not a valid number of tokens: give 1 to 2147483647".to_owned()),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(refusal(&format!("@{shown}")), error);
        }
    }

    #[test]
    fn what_is_refused_says_what_to_write() {
        let examples = "512, uniform:64:2048, lognormal:512:0.6, exponential:512, list:512:64 or @FILE";
        for text in [
            "",
            "x",
            "-5",
            "1.5",
            "uniform",
            "uniform:1",
            "uniform:1:2:3",
            "lognormal:5",
            "zipf:1:2",
            "list",
            "list:",
        ] {
            assert_eq!(refusal(text), format!("{text:?} is not a valid number of tokens: write {examples}"));
        }
        assert_eq!(refusal("0"), "0 is not a valid number of tokens: give 1 to 2147483647");
        assert_eq!(refusal("uniform:9:1"), "uniform:9:1: the most is under the least: write uniform:1:9");
        assert_eq!(
            refusal("lognormal:512:0.6:100"),
            "lognormal with the median 512 and at most 100: half of the values would be 100; give a most over 512"
        );
        for sigma in ["-1", "NaN", "inf", "6"] {
            let error = refusal(&format!("lognormal:512:{sigma}"));
            assert!(
                error.ends_with("is not a valid sigma of a lognormal distribution: give 0 to 5"),
                "{error}"
            );
        }
        assert_eq!("366h".parse::<Times>().unwrap().to_string(), "1317600s");
        assert_eq!(
            "8784h".parse::<Times>().unwrap_err().to_string(),
            "31622400s is not a valid time: give 0s to 31536000s"
        );
        assert!(serde_json::from_str::<Lengths>(r#""@/etc/hostname""#).is_err(), "a report reads no files");
        assert!(serde_json::from_str::<Lengths>(r#""uniform:9:1""#).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:.@,-]{0,24}") {
            prop_assume!(!text.starts_with('@'));
            if let Ok(read) = text.parse::<Lengths>() {
                prop_assert_eq!(read.to_string().parse::<Lengths>().unwrap(), read);
            }
            let _ = text.parse::<Times>();
        }
    }
}
