//! Tables of plain text.

/// Rows under a line of names, in columns as wide as they need to be; the first column to the left, the others to the
/// right except for the last, which is free text.
pub(crate) fn table<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        widest.max(names[column].chars().count())
    };
    let line = |row: [&str; N]| {
        let cells: Vec<String> = (0..N)
            .map(|column| match column {
                0 => format!("{:<1$}", row[column], width(column)),
                _ if column == N - 1 => row[column].to_owned(),
                _ => format!("{:>1$}", row[column], width(column)),
            })
            .collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(names)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["pp64", "7", "fine"], ["tg16 @ d256", "1234", ""]].map(|row| row.map(String::from));
        let expected =
            ["  test          t/s  verdict", "  pp64            7  fine", "  tg16 @ d256  1234", ""];
        assert_eq!(table(["test", "t/s", "verdict"], &rows), expected.join("\n"));
    }
}
