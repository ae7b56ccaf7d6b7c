use std::io::Write;

use serde_json::Value;

use super::{
    FIELDS, Flat, Kind,
    sink::{Encode, EncodeError},
};

/// Statements for SQLite, one a row.
#[derive(Default)]
pub(super) struct Sql {
    created: bool,
}

impl Encode for Sql {
    fn begin(&mut self, out: &mut dyn Write, _run: &Flat) -> Result<(), EncodeError> {
        if std::mem::replace(&mut self.created, true) {
            return Ok(());
        }
        let columns: Vec<String> =
            FIELDS.iter().map(|field| format!("  {} {}", field.name, sql_type(field.kind))).collect();
        write!(out, "CREATE TABLE IF NOT EXISTS llama_bench (\n{}\n);\n\n", columns.join(",\n"))?;
        Ok(())
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
        let values: Vec<String> =
            row.values()?.iter().map(|(field, value)| literal(field.kind, value)).collect();
        // One write for the whole statement: a killed process leaves it whole or not at all.
        let statement =
            format!("INSERT INTO llama_bench ({}) VALUES ({});\n", names.join(", "), values.join(", "));
        out.write_all(statement.as_bytes())?;
        Ok(())
    }
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Nested | Kind::Wide => "TEXT",
        Kind::Int | Kind::Bool => "INTEGER",
        Kind::Float => "REAL",
    }
}

fn literal(kind: Kind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Null) => "NULL".into(),
        (_, Value::Bool(flag)) => u8::from(*flag).to_string(),
        (Kind::Wide, number) => quote(&number.to_string()),
        (_, Value::Number(number)) => number.to_string(),
        (_, Value::String(text)) => quote(text),
        (_, nested) => quote(&nested.to_string()),
    }
}

/// A text literal: quotes doubled. SQLite ends a statement at a NUL, so text with one goes as its bytes.
fn quote(text: &str) -> String {
    if text.contains('\0') {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        return format!("CAST(x'{hex}' AS TEXT)");
    }
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_literal() {
        assert_eq!(quote("it's; DROP TABLE"), "'it''s; DROP TABLE'");
        assert_eq!(quote("a\0'"), "CAST(x'610027' AS TEXT)");
        assert_eq!(literal(Kind::Wide, &Value::from(u64::MAX)), "'18446744073709551615'");
        assert_eq!(literal(Kind::Bool, &Value::from(true)), "1");
        assert_eq!(literal(Kind::Nested, &serde_json::json!(["it's"])), "'[\"it''s\"]'");
    }
}
