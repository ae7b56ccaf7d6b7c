use super::{
    super::answer::{Answer, Configuration, Percentiles, SpeedFigure},
    grid::{Column, Grid},
    heading,
    names::Names,
    paint::{Ink, Paint},
};
use crate::{
    record::{Cell, Report, Test, tests_of},
    report::in_words::{duration, one_line, speed},
};

/// One test of one configuration.
struct Row<'a> {
    test: Test,
    configuration: &'a Configuration,
    /// `None` if it failed everywhere.
    figure: Option<SpeedFigure>,
    /// Why it failed.
    failure: Option<String>,
    percentiles: Option<&'a Percentiles>,
}

/// Every test with its speed as a bar, on one scale for all tests of a kind, and how its times are spread.
pub(super) fn bars(report: &Report, answer: &Answer, names: &Names, paint: &Paint) -> String {
    let several = answer.configurations.len() > 1;
    let rows = rows(report, answer);
    if rows.is_empty() {
        return String::new();
    }
    let texts = |value: &dyn Fn(&Row<'_>) -> Option<String>| -> Vec<String> {
        rows.iter().map(|row| value(row).unwrap_or_default()).collect()
    };
    let spread = |value: fn(&crate::report::answer::TimeSpread) -> String| {
        texts(&|row| row.percentiles?.spread.as_ref().map(value))
    };
    let mut grid = Grid {
        blocks: vec![
            vec![
                Column::right("t/s", texts(&|row| row.figure.map(|figure| speed(figure.rate))))
                    .inked(|_| Some(Ink::Strong)),
                Column::left("", texts(&|row| row.figure.and_then(spread_words))),
                Column::bars("", shares(&rows)),
            ],
            vec![
                Column::right("mean", texts(&|row| row.percentiles.map(|it| duration(it.mean)))),
                Column::right("p50", spread(|it| duration(it.p50))),
                Column::right("p90", spread(|it| duration(it.p90))),
                Column::right("p99", spread(|it| duration(it.p99))),
                Column::right("max", spread(|it| duration(it.max))),
                Column::right("n", spread(|it| it.n.to_string())),
            ],
        ],
        notes: rows.iter().map(|row| row.failure.clone()).collect(),
        n_rows: rows.len(),
        ..Grid::default()
    };
    if several {
        let mut last = None;
        for row in &rows {
            grid.titles.push((last != Some(row.test)).then(|| row.test.to_string()));
            last = Some(row.test);
        }
        let configurations = rows.iter().map(|row| names.short(&row.configuration.name)).collect();
        grid.keys.push(Column::left("configuration", configurations));
    } else {
        grid.keys.push(Column::left("test", rows.iter().map(|row| row.test.to_string()).collect()));
    }
    let caption = format!("Bars: one scale for all tests of a kind. {}", answer.times_caption());
    let caption = paint.ink_lines(Ink::Faint, &paint.wrapped("", 0, caption.trim_end()));
    heading(paint, "Every test") + &grid.render(paint) + &caption
}

/// Kind by kind, depths ascending, then configuration by configuration.
fn rows<'a>(report: &Report, answer: &'a Answer) -> Vec<Row<'a>> {
    let mut tests = tests_of(&report.runs);
    let series: Vec<Test> = tests.iter().map(|test| test.at_any_depth()).collect();
    tests.sort_by_key(|test| (series.iter().position(|key| *key == test.at_any_depth()), test.n_depth));
    let row = |test: Test, configuration: &'a Configuration| {
        let runs = configuration.runs.iter().map(|&i| &report.runs[i]);
        let cells: Vec<&Cell> =
            runs.filter_map(|run| run.cells.iter().find(|cell| cell.test == test)).collect();
        if cells.is_empty() {
            return None;
        }
        let figure = SpeedFigure::of(&cells);
        Some(Row {
            test,
            configuration,
            failure: figure.is_none().then(|| reason(&cells)),
            figure,
            percentiles: configuration.percentiles.iter().find(|it| it.test == test),
        })
    };
    tests
        .into_iter()
        .flat_map(|test| answer.configurations.iter().filter_map(move |it| row(test, it)))
        .collect()
}

/// Of the fastest of the kind.
fn shares(rows: &[Row<'_>]) -> Vec<Option<f64>> {
    let rate = |row: &Row<'_>| row.figure.map(|figure| figure.rate.get());
    let fastest = |row: &Row<'_>| {
        let of_kind = rows.iter().filter(|other| other.test.kind.family() == row.test.kind.family());
        of_kind.filter_map(rate).fold(f64::MIN_POSITIVE, f64::max)
    };
    rows.iter().map(|row| Some(rate(row)? / fastest(row))).collect()
}

fn spread_words(figure: SpeedFigure) -> Option<String> {
    figure.half_width.map(|half| format!("± {}", crate::report::in_words::rough_rate(half)))
}

fn reason(cells: &[&Cell]) -> String {
    match cells.iter().find_map(|cell| cell.failure()) {
        Some(failure) => {
            format!("failed: {} ({})", one_line(failure.kind.as_str()), one_line(&failure.message))
        }
        None => "no time passed".into(),
    }
}
