use std::io::Write;

use super::{
    FIELDS, Flat,
    flat::to_text,
    sink::{Encode, EncodeError},
};

/// Comma-separated values: a line of names, then every value quoted, as llama-bench has it.
#[derive(Default)]
pub(super) struct Csv {
    named: bool,
}

impl Encode for Csv {
    fn begin(&mut self, out: &mut dyn Write, _run: &Flat) -> Result<(), EncodeError> {
        if !std::mem::replace(&mut self.named, true) {
            let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
            writeln!(out, "{}", names.join(","))?;
        }
        Ok(())
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        let mut writer =
            csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        for (field, value) in row.values()? {
            let text = to_text(&value).or_else(|| to_text(&row.csv_null(field.name)));
            writer.write_field(text.unwrap_or_default()).map_err(io_error)?;
        }
        writer.write_record(None::<&[u8]>).map_err(io_error)?;
        let line = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        out.write_all(&line)?;
        Ok(())
    }
}

fn io_error(error: csv::Error) -> std::io::Error {
    std::io::Error::other(error)
}
