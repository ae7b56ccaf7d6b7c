use super::{
    super::profiles::{ProfileRow, Profiles, block_name},
    grid::{Column, Grid},
    heading,
    names::Names,
    paint::{Ink, Paint},
};
use crate::record::Report;

/// Where the time of each test goes; empty if nothing was profiled.
pub(super) fn profile(report: &Report, names: &Names, paint: &Paint) -> String {
    let Some(profiles) = Profiles::of(report) else { return String::new() };
    let texts = |value: &dyn Fn(&ProfileRow<'_>) -> Option<String>| -> Vec<String> {
        profiles.rows.iter().map(|row| value(row).unwrap_or_else(|| "–".into())).collect()
    };
    let mut blocks = vec![vec![Column::right("time", texts(&|row| row.total()))]];
    for &kind in &profiles.kinds {
        blocks.push(vec![Column::right(block_name(kind), texts(&|row| row.block(kind)))]);
    }
    if profiles.has_copies {
        blocks.push(vec![Column::right("copies", texts(&|row| row.copies()))]);
    }
    blocks.push(vec![Column::right("rest", texts(&|row| row.rest()))]);
    let mut keys = Vec::new();
    if profiles.rows.iter().any(|row| !row.name.is_empty()) {
        keys.push(Column::left("configuration", texts(&|row| Some(names.short(&row.name)))));
    }
    keys.push(Column::left("test", texts(&|row| Some(row.test.to_string()))));
    let grid = Grid { keys, blocks, n_rows: profiles.rows.len(), ..Grid::default() };
    let caption = paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &profiles.caption()));
    heading(paint, "Where the time goes") + &grid.render(paint) + &caption
}
