use std::io::Write;

use super::{
    Flat,
    sink::{Encode, EncodeError},
};

/// One object a line.
pub(super) struct Jsonl;

impl Encode for Jsonl {
    fn begin(&mut self, _out: &mut dyn Write, _run: &Flat) -> Result<(), EncodeError> {
        Ok(())
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        // One write for the whole line: a killed process leaves a whole line or none.
        let mut text = Vec::new();
        line(&mut text, row)?;
        out.write_all(&text)?;
        Ok(())
    }
}

/// Adds a row as one line.
pub(super) fn line(text: &mut Vec<u8>, row: &Flat) -> Result<(), EncodeError> {
    for (i, (field, value)) in row.values()?.into_iter().enumerate() {
        let separator = if i == 0 { "{" } else { ", " };
        write!(text, "{separator}\"{}\": {value}", field.name)?;
    }
    writeln!(text, "}}")?;
    Ok(())
}
