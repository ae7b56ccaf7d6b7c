use super::{
    super::answer::{Answer, Configuration, EnergyFigure, LightFigure, PivotRow, TimeFigure},
    grid::{Column, Grid},
    heading,
    names::Names,
    paint::{Ink, Paint},
};
use crate::record::TestKind;

/// The main figures by depth: a row a depth, or of several configurations at each depth a row a configuration.
pub(super) fn pivot(answer: &Answer, names: &Names, paint: &Paint) -> String {
    let all = &answer.configurations;
    let rows = answer.rows();
    if !rows.iter().any(|(_, row)| row.is_some()) {
        return String::new();
    }
    let several = all.len() > 1;
    let texts = |value: &dyn Fn(&PivotRow) -> Option<String>| {
        rows.iter().map(|(_, row)| row.and_then(value).unwrap_or_default()).collect::<Vec<_>>()
    };
    let test = |of: fn(&Configuration) -> Option<TestKind>| -> String {
        let mut tests: Vec<String> = all.iter().filter_map(of).map(|kind| kind.to_string()).collect();
        tests.dedup();
        if let [one] = &tests[..] { format!("{one} t/s") } else { "t/s".into() }
    };
    let time = |of: fn(&PivotRow) -> Option<TimeFigure>| texts(&|row| of(row).map(|time| time.to_string()));
    let energy =
        |of: fn(&PivotRow) -> Option<EnergyFigure>| texts(&|row| of(row).map(|energy| energy.to_string()));
    let light =
        |of: fn(&PivotRow) -> &Option<LightFigure>| texts(&|row| of(row).as_ref().map(ToString::to_string));
    let blocks = vec![
        vec![
            Column::right(
                &format!("prefill\n{}", test(|it| it.pivot.prefill)),
                texts(&|row| row.prefill.map(|figure| figure.bare())),
            ),
            Column::right(
                &format!("generation\n{}", test(|it| it.pivot.generation)),
                texts(&|row| row.generation.map(|figure| figure.bare())),
            ),
            Column::right(
                &format!("embedding\n{}", test(|it| it.pivot.embedding)),
                texts(&|row| row.embedding.map(|figure| figure.bare())),
            ),
        ],
        vec![
            Column::right("prefill\nJ/token", energy(|row| row.prefill_energy)),
            Column::right("generation\nJ/token", energy(|row| row.generation_energy)),
            Column::right("embedding\nJ/token", energy(|row| row.embedding_energy)),
        ],
        vec![
            Column::right("prefill\nof light", light(|row| &row.prefill_light)),
            Column::right("generation\nof light", light(|row| &row.generation_light)),
            Column::right("embedding\nof light", light(|row| &row.embedding_light)),
        ],
        vec![Column::right("first\ntoken", time(|row| row.first_token))],
        vec![
            Column::right("answer of\n100 tokens", time(|row| row.answers[0])),
            Column::right("answer of\n500 tokens", time(|row| row.answers[1])),
        ],
    ];
    let depth = |row: Option<&PivotRow>| row.map_or_else(String::new, |row| row.n_depth.to_string());
    let mut grid = Grid { blocks, n_rows: rows.len(), ..Grid::default() };
    if several {
        let mut last = None;
        for (configuration, row) in &rows {
            let title = row.map(|row| row.n_depth).filter(|depth| last != Some(*depth));
            last = title.or(last);
            grid.titles.push(title.map(|n_depth| format!("depth {n_depth}")));
            let failed = row.is_none().then(|| configuration.trust.to_string());
            grid.notes.push(failed);
        }
        let configurations = rows.iter().map(|(configuration, _)| names.short(&configuration.name)).collect();
        grid.keys.push(Column::left("configuration", configurations));
    } else {
        grid.keys.push(Column::right("depth", rows.iter().map(|(_, row)| depth(*row)).collect()));
    }
    let mut text = heading(paint, "By depth") + &grid.render(paint);
    text += &paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, &answer.caption()));
    text + &answer.why_falls().map_or_else(String::new, |why| paint.wrapped("", 0, &why.to_string()))
}
