//! A comparison as wide as the terminal.

use crate::{
    light::{self, LightLine},
    lines::{Comparison, Line},
    write::{joules, p_value, rate},
};

/// Between two columns.
const GAP: &str = "  ";

/// How far a verdict is indented that has a line of its own.
const INDENT: &str = "    ";

/// Nothing is wrapped to fewer columns than this.
const NARROWEST: usize = 20;

/// A column: its name and what it has for a line.
type Column = (&'static str, fn(&Line) -> String);

/// All but the verdict. If there is no room, the last ones are left out.
const COLUMNS: [Column; 6] = [
    ("test", |line| line.name.clone()),
    ("B over A", |line| line.speedup.map_or_else(String::new, |speedup| speedup.to_string())),
    ("A t/s", |line| rate(line.a)),
    ("B t/s", |line| rate(line.b)),
    ("95 % interval", interval),
    ("p", p_value),
];

/// The same of energy.
const ENERGY: [Column; 6] = [
    COLUMNS[0],
    COLUMNS[1],
    ("A J/token", |line| joules(line.a)),
    ("B J/token", |line| joules(line.b)),
    COLUMNS[4],
    COLUMNS[5],
];

/// The table; verdicts are printed below their lines if they do not fit beside them.
pub fn table(one: &Comparison, width: usize) -> String {
    let mut text = String::new();
    if !one.name.is_empty() {
        text += &wrapped(&one.name, width);
    }
    for change in &one.changes {
        text += &wrapped(&format!("B: {change}"), width);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text += &lines(&COLUMNS, &one.lines, width);
    if !one.energy.is_empty() {
        text += &format!("\n{}", lines(&ENERGY, &one.energy, width));
    }
    if !one.light.is_empty() {
        text += &format!("\n{}", of_light(&one.light, width));
    }
    text
}

/// The share of the speed of light of both sides: narrow enough for most terminals, with what is to be said of it below.
fn of_light(all: &[LightLine], width: usize) -> String {
    let (rows, notes) = light::shown(all);
    let mut columns = [vec!["test".to_owned()], vec!["A of light".into()], vec!["B of light".into()]];
    for cells in rows {
        columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
    }
    let row = |row: usize| {
        let cells: Vec<String> = columns.iter().enumerate().map(|(i, column)| cell(i, column, row)).collect();
        cells.join(GAP).trim_end().to_owned() + "\n"
    };
    let text: String = (0..=all.len()).map(row).collect();
    text + &notes.iter().map(|note| wrapped(note, width)).collect::<String>()
}

fn lines(all: &[Column], rows: &[Line], width: usize) -> String {
    let mut text = String::new();
    let columns: Vec<Vec<String>> = all.iter().map(|(name, value)| column(name, value, rows)).collect();
    let columns = &columns[..n_shown(&columns, width)];
    let used = columns.iter().map(|column| widest(column) + GAP.len()).sum::<usize>();
    let longest = rows.iter().map(|line| line.says.chars().count()).max().unwrap_or(0);
    let is_beside = used + longest <= width;
    for row in 0..=rows.len() {
        let cells: Vec<String> = columns.iter().enumerate().map(|(i, column)| cell(i, column, row)).collect();
        let says = row.checked_sub(1).map_or("verdict", |line| &rows[line].says);
        let line = cells.join(GAP) + GAP;
        if is_beside {
            text += (line + says).trim_end();
        } else {
            text += line.trim_end();
            if row > 0 && !says.is_empty() {
                let options = textwrap::Options::new(width.max(NARROWEST));
                let options = options.initial_indent(INDENT).subsequent_indent(INDENT);
                text += &format!("\n{}", textwrap::fill(says, options));
            }
        }
        text.push('\n');
    }
    text
}

/// Its name, then a cell for each line.
fn column(name: &str, value: &fn(&Line) -> String, rows: &[Line]) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(rows.iter().map(value)).collect()
}

/// How many of the columns fit beside each other, at least the first two.
fn n_shown(columns: &[Vec<String>], width: usize) -> usize {
    let ends = columns.iter().scan(0, |end, column| {
        *end += widest(column) + if *end > 0 { GAP.len() } else { 0 };
        Some(*end)
    });
    ends.take_while(|end| *end <= width).count().max(2).min(columns.len())
}

fn widest(column: &[String]) -> usize {
    column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// Names to the left, numbers to the right.
fn cell(i: usize, column: &[String], row: usize) -> String {
    let width = widest(column);
    if i == 0 { format!("{:<width$}", column[row]) } else { format!("{:>width$}", column[row]) }
}

/// `-21.6 % to -18.8 %`.
fn interval(line: &Line) -> String {
    line.bounds.map_or_else(String::new, |bounds| format!("{} to {}", bounds.lower(), bounds.upper()))
}

/// Paragraphs in lines of at most this many columns, with a line break at the end.
pub fn wrapped(text: &str, width: usize) -> String {
    // A number stays with its sign.
    let held = text.replace(" %", "\u{a0}%");
    textwrap::fill(&held, width.max(NARROWEST)).replace('\u{a0}', " ") + "\n"
}

#[cfg(test)]
mod tests {
    use llama_bench_rs::{judge::Verdict, units::Speedup};

    use super::*;
    use crate::lines::Of;

    fn comparison() -> Comparison {
        let line = |name: &str, says: &str| Line {
            name: name.into(),
            a: Some(25958.04),
            b: Some(20716.34),
            speedup: Speedup::new(0.798),
            bounds: None,
            p_value: None,
            verdict: Some(Verdict::Regressed),
            says: says.into(),
        };
        let long = "cannot tell: only a slowdown of 6.1 % is sure to show; take more loads (--loads)";
        let change =
            "flash attention is on: 16 nodes (8 MUL_MAT, 4 CONT and 4 SOFT_MAX) became 4 x FLASH_ATTN_EXT";
        Comparison {
            name: String::new(),
            of: Of::Loads,
            energy: Vec::new(),
            light: Vec::new(),
            lines: vec![line("pp64 @ d16384", "B is 20.2 % slower"), line("tg16", long)],
            changes: vec![change.into()],
        }
    }

    #[test]
    fn it_fits_every_width_and_loses_no_verdict() {
        for width in [40, 60, 80, 200] {
            let text = table(&comparison(), width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for said in ["B is 20.2 % slower", "take more loads (--loads)", "-20.2 %", "became 4 x"] {
                assert!(words.contains(said), "{width}: no {said:?} in {text}");
            }
        }
        let [narrow, wide] = [40, 200].map(|width| table(&comparison(), width));
        assert!(narrow.lines().any(|line| line == "    B is 20.2 % slower"), "{narrow}");
        let is_beside = |line: &str| line.starts_with("pp64") && line.ends_with("B is 20.2 % slower");
        assert!(wide.lines().any(is_beside), "{wide}");
    }

    #[test]
    fn energy_has_a_table_of_its_own() {
        let mut one = comparison();
        assert!(!table(&one, 200).contains("J/token"));
        one.energy = vec![Line { a: Some(2.1), b: Some(2.9), ..one.lines.remove(0) }];
        let text = table(&one, 200);
        let energy = text.lines().last().unwrap();
        assert!(text.contains("A J/token") && energy.contains("2.100") && energy.contains("2.900"), "{text}");
    }

    #[test]
    fn the_speed_of_light_has_a_table_of_its_own() {
        let mut one = comparison();
        assert!(!table(&one, 40).contains("of light"));
        let unknown = |why: &str| Err(why.to_owned());
        let of = "the ceilings of the devices were not measured (--ceilings)";
        one.light = vec![LightLine { name: "tg16".into(), a: unknown("no work"), b: unknown(of) }];
        let text = table(&one, 40);
        assert!(
            text.contains("\ntest   A of light   B of light\ntg16  unknown (1)  unknown (2)\n"),
            "{text}"
        );
        assert!(text.contains("\n(1) A: no work\n(2) B: the ceilings"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }

    #[test]
    fn a_number_keeps_its_sign() {
        assert_eq!(wrapped("a change of 4 % or more", 20), "a change of 4 % or\nmore\n");
        assert_eq!(wrapped("a very long change 4 % or", 20), "a very long change\n4 % or\n");
    }
}
