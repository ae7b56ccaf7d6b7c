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
        // One write for the whole line: a process killed in between leaves a whole line or none.
        let mut line = String::from("{");
        for (i, (field, value)) in row.values()?.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            line.push_str(&format!("{separator}\"{}\": {value}", field.name));
        }
        line.push_str("}\n");
        out.write_all(line.as_bytes())?;
        Ok(())
    }
}
