use super::{
    super::{
        answer::{Answer, Configuration},
        in_words::{duration, one_line, speed},
        levels::{LevelFigure, LevelRow, Levels},
    },
    grid::{Column, Grid},
    heading,
    names::Names,
    paint::{Ink, Paint},
};
use crate::record::Test;

/// What several sequences at once bring: at each depth a row for each number of them, and of several configurations one for
/// each of those. Empty if every test was of one sequence.
pub(super) fn levels(answer: &Answer, names: &Names, paint: &Paint) -> String {
    let rows = answer.level_rows();
    if rows.is_empty() {
        return String::new();
    }
    let texts = |value: &dyn Fn(&LevelRow) -> Option<String>| -> Vec<String> {
        rows.iter().map(|(.., row)| value(row).unwrap_or_default()).collect()
    };
    let test = |of: fn(&Levels) -> Option<Test>| -> String {
        let mut tests: Vec<String> = rows
            .iter()
            .filter_map(|(_, levels, _)| of(levels))
            .map(|test| test.at_any_depth().to_string())
            .collect();
        tests.dedup();
        if let [one] = &tests[..] { format!("{one} t/s") } else { "t/s".into() }
    };
    let block = |name: &str, test: String, of: fn(&LevelRow) -> Option<LevelFigure>| {
        vec![
            Column::right(&format!("{name}\n{test}"), texts(&|row| Some(of(row)?.total.bare()))),
            Column::right("each\nt/s", texts(&|row| Some(speed(of(row)?.each.rate)))),
            Column::right("scaling", texts(&|row| Some(of(row)?.scaling_words()))),
        ]
    };
    let times = |of: fn(&crate::stats::TimeSpread) -> std::time::Duration| {
        texts(&move |row| row.step_times.as_ref().map(|times| duration(of(times))))
    };
    let mut grid = Grid {
        blocks: vec![
            block("generation", test(|levels| levels.generation), |row| row.generation),
            vec![
                Column::right("step\np50", times(|times| times.p50)),
                Column::right("p90", times(|times| times.p90)),
                Column::right("p99", times(|times| times.p99)),
            ],
            block("prefill", test(|levels| levels.prefill), |row| row.prefill),
        ],
        notes: texts(&reason).into_iter().map(|note| Some(note).filter(|note| !note.is_empty())).collect(),
        titles: titles(&rows),
        n_rows: rows.len(),
        ..Grid::default()
    };
    if answer.configurations.len() > 1 {
        let configurations =
            rows.iter().map(|(configuration, ..)| names.short(&configuration.name)).collect();
        grid.keys.push(Column::left("configuration", configurations));
    }
    grid.keys.push(Column::right("sequences", texts(&|row| Some(row.n_parallel.to_string()))));
    let mut text = heading(paint, "By number of sequences") + &grid.render(paint);
    text += &paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &answer.levels_caption()));
    for (name, said) in answer.levels_said() {
        let said = if name.is_empty() { said } else { format!("{}: {said}", names.short(name)) };
        text += &paint.wrapped("", 0, &said);
    }
    text
}

/// The depth above its first row, if there are several.
fn titles(rows: &[(&Configuration, &Levels, &LevelRow)]) -> Vec<Option<String>> {
    let depths: Vec<u32> = rows.iter().map(|(_, levels, _)| levels.n_depth).collect();
    if depths.iter().all(|&depth| depth == 0) {
        return Vec::new();
    }
    let is_first = |i: usize| i == 0 || depths[i - 1] != depths[i];
    (0..depths.len()).map(|i| is_first(i).then(|| format!("depth {}", depths[i]))).collect()
}

fn reason(row: &LevelRow) -> Option<String> {
    let failure = row.failure.as_ref()?;
    Some(format!("failed: {} ({})", one_line(failure.kind.as_str()), one_line(&failure.message)))
}
