//! A report's SQL, loaded into a real SQLite.

/// The table of a real SQLite as the array that JSON would hold.
pub fn through_sqlite(sql: &str) -> serde_json::Value {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(sql).unwrap();
    let mut statement = db.prepare("SELECT * FROM llama_bench ORDER BY rowid").unwrap();
    let names: Vec<String> = statement.column_names().map(String::from).collect();
    let row = |row: &rusqlite::Row| {
        let value = |i| -> rusqlite::Result<serde_json::Value> {
            Ok(match row.get::<_, rusqlite::types::Value>(i)? {
                rusqlite::types::Value::Null => serde_json::Value::Null,
                rusqlite::types::Value::Integer(n) => n.into(),
                rusqlite::types::Value::Real(x) => x.into(),
                rusqlite::types::Value::Text(text) => text.into(),
                rusqlite::types::Value::Blob(_) => panic!("no column holds a blob"),
            })
        };
        names.iter().enumerate().map(|(i, name)| Ok((name.clone(), value(i)?))).collect()
    };
    let rows = statement.query_map([], row).unwrap();
    rows.collect::<rusqlite::Result<Vec<serde_json::Map<_, _>>>>().unwrap().into_iter().collect()
}
