//! Several configurations of a report, test by test, each compared with the first: what page and terminal show.

use super::sides::{Side, sides};
use crate::{
    record::Report,
    units::{TokensPerSecond, text_table::table},
};

#[cfg(feature = "pages")]
pub(super) use crate::judge::side_by_side::shift_name;
pub(super) use crate::judge::side_by_side::{Change, Figure, Row, SideBySide};

impl<'a> SideBySide<'a> {
    /// The runs of each configuration and build are a side. Two runs of one configuration are a side each; more of them are
    /// shown together. `None` for a run on its own.
    pub(super) fn of(report: &'a Report) -> Option<Self> {
        if report.runs.len() < 2 {
            return None;
        }
        let sides = sides(report);
        let is_alone = sides.len() == 1;
        let named = |side: Side<'a>| {
            let name = if is_alone { format!("all {} runs", side.runs.len()) } else { side.name };
            (name, side.runs)
        };
        Self::judge(sides.into_iter().map(named).collect())
    }

    /// What is shown, in words.
    pub(super) fn caption(&self) -> String {
        let figures = "Speed in t/s at the fast end of each run, the geometric mean of a side's runs";
        if self.names.len() == 1 {
            return format!("{figures}, with its 95 % interval between runs.");
        }
        format!(
            "{figures}; its change from the first side, with its 95 % interval between runs. {} One run on each side does not \
             show how far runs lie apart: its change is printed without a verdict.",
            self.rule
        )
    }

    /// One table of plain text per side after the first; one in all if there is but one side. What does not fit into
    /// the width is left out: intervals, then what verdicts rest on, then the figures, which the runs' own tables have.
    pub(super) fn tables(&self, width: usize) -> String {
        if let [name] = &self.names[..] {
            let row = |row: &Row<'_>| {
                let figure = row.figures.first()?;
                Some([row.name.clone(), figure.text(), figure.interval()])
            };
            let rows: Vec<[String; 3]> = self.rows.iter().filter_map(row).collect();
            return table(["test", name, "95 % interval"], &rows);
        }
        (1..self.names.len()).map(|i| self.against_first(i, width)).collect::<Vec<_>>().join("\n")
    }

    fn against_first(&self, side: usize, width: usize) -> String {
        let fits = |table: &String| table.lines().all(|line| line.chars().count() <= width);
        let figure =
            |row: &Row<'_>, side: usize| row.figures.get(side).map_or_else(String::new, Figure::text);
        let change = |row: &Row<'_>, show: fn(&Change) -> String| {
            row.changes[side - 1].as_ref().map_or_else(String::new, show)
        };
        let speed = |row: &Row<'_>| change(row, |change| change.speedup.to_string());
        let finding = |row: &Row<'_>| change(row, |change| change.finding.to_string());
        let word = |row: &Row<'_>| change(row, |change| change.finding.verdict.to_string());
        let (first, other) = (&self.names[0][..], &self.names[side][..]);
        let with_intervals = || {
            let row = |row: &Row<'_>| {
                let interval = change(row, Change::interval);
                [row.name.clone(), figure(row, 0), figure(row, side), speed(row), interval, finding(row)]
            };
            let rows: Vec<[String; 6]> = self.rows.iter().map(row).collect();
            table(["test", first, other, "speed", "95 % interval", "verdict"], &rows)
        };
        let with_figures = |verdict: &dyn Fn(&Row<'_>) -> String| {
            let row = |row: &Row<'_>| {
                [row.name.clone(), figure(row, 0), figure(row, side), speed(row), verdict(row)]
            };
            let rows: Vec<[String; 5]> = self.rows.iter().map(row).collect();
            table(["test", first, other, "speed", "verdict"], &rows)
        };
        let row = |row: &Row<'_>| [row.name.clone(), speed(row), word(row)];
        Some(with_intervals())
            .filter(fits)
            .or_else(|| Some(with_figures(&finding)).filter(fits))
            .or_else(|| Some(with_figures(&word)).filter(fits))
            .unwrap_or_else(|| {
                table(["test", other, "verdict"], &self.rows.iter().map(row).collect::<Vec<_>>())
            })
    }
}

impl Figure<'_> {
    /// Tokens per second, why there are none, or a dash.
    fn text(&self) -> String {
        match self {
            Figure::Failed(kind) => kind.to_string(),
            Figure::Measured(..) | Figure::Missing => {
                self.rate().map_or_else(|| "–".into(), |rate| format!("{:.2}", rate.get()))
            }
        }
    }

    /// The bounds of its interval in tokens per second.
    fn interval(&self) -> String {
        let text = |[lower, upper]: [TokensPerSecond; 2]| format!("{:.2} to {:.2}", lower.get(), upper.get());
        self.bounds().map(text).unwrap_or_default()
    }
}

impl Change {
    /// The interval: `-7.1 % to -3.2 %`; empty if it is not known.
    pub(super) fn interval(&self) -> String {
        self.bounds.map_or_else(String::new, |bounds| format!("{} to {}", bounds.lower(), bounds.upper()))
    }
}

/// The configurations of a report, compared with the first of them, as tables of plain text; `None` for a single run.
pub fn comparison_text(report: &Report) -> Option<String> {
    let all = SideBySide::of(report)?;
    Some(format!("{}\n{}", all.caption(), all.tables(usize::MAX)))
}
