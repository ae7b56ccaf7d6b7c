//! The forms of a comparison and of serving: fewer than a sweep has, since there are no rows of llama-bench.

use std::str::FromStr;

/// The form of the results on standard output, or of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Markdown,
    Terminal,
    Json,
    Jsonl,
    Csv,
    Nothing,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "md" => Self::Markdown,
            "term" => Self::Terminal,
            "json" => Self::Json,
            "jsonl" => Self::Jsonl,
            "csv" => Self::Csv,
            "none" => Self::Nothing,
            _ => {
                return Err(format!(
                    "{name:?} is not a format of these results: write md, term, json, jsonl, csv or none"
                ));
            }
        })
    }
}
