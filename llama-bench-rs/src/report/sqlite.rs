//! Databases of llama-bench: the table `llama_bench`, as `llama-bench -o sql | sqlite3 FILE` makes it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};
use serde_json::{Map, Value};

use super::{Place, ReportError, assembler::Assembler};

/// Reads the rows of a database file in the order in which they were added.
///
/// The file is never written to. One that another process is adding to can be read; a row that is not committed yet is
/// not there.
pub(super) fn read(path: &Path, assembler: &mut Assembler) -> Result<(), ReportError> {
    let failed =
        |error: rusqlite::Error| ReportError::Database { path: path.to_owned(), message: error.to_string() };
    // The path is taken as it is, never as a URI with settings in it.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(failed)?;
    if !database.table_exists(None, "llama_bench").map_err(failed)? {
        return Err(ReportError::Unrecognised {
            found: "this is a SQLite database without a table `llama_bench`",
            hint: "",
        });
    }
    let mut statement = database.prepare("SELECT * FROM llama_bench ORDER BY rowid").map_err(failed)?;
    let names: Vec<String> = statement.column_names().map(String::from).collect();
    let mut rows = statement.query([]).map_err(failed)?;
    let mut n = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        n += 1;
        assembler.add(Place::Row(n), object(&names, row).map_err(failed)?)?;
    }
    if n == 0 {
        return Err(ReportError::Unrecognised {
            found: "the table `llama_bench` is empty: nothing was measured",
            hint: "",
        });
    }
    Ok(())
}

/// A row as the object that JSON would hold.
fn object(names: &[String], row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let mut object = Map::new();
    for (i, name) in names.iter().enumerate() {
        let value = match row.get_ref(i)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
        };
        object.insert(name.clone(), value);
    }
    Ok(object)
}
