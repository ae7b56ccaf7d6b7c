use std::io::Write;

use serde_json::Value;

use super::{
    Flat,
    sink::{Encode, EncodeError},
};

/// One array of objects, a field a line, as llama-bench lays it out.
#[derive(Default)]
pub(super) struct Json {
    opened: bool,
    has_rows: bool,
}

impl Json {
    fn open(&mut self, out: &mut dyn Write) -> Result<(), EncodeError> {
        if !self.opened {
            self.opened = true;
            writeln!(out, "[")?;
        }
        Ok(())
    }
}

impl Encode for Json {
    fn begin(&mut self, out: &mut dyn Write, _run: &Flat) -> Result<(), EncodeError> {
        self.open(out)
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        let separator = if std::mem::replace(&mut self.has_rows, true) { ",\n" } else { "" };
        write!(out, "{separator}  {{")?;
        for (i, (field, value)) in row.values()?.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            write!(out, "{separator}\n    \"{}\": {}", field.name, spaced(&value))?;
        }
        write!(out, "\n  }}")?;
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<(), EncodeError> {
        self.open(out)?;
        writeln!(out, "{}]", if self.has_rows { "\n" } else { "" })?;
        Ok(())
    }
}

/// JSON on one line, with blanks between the elements of a plain array as llama-bench has them.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[ {} ]", items.join(", "))
        }
        other => other.to_string(),
    }
}
