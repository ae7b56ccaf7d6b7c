//! Tables that fit any width: columns that do not fit go into a further table below, under the same first columns.

use super::paint::{Ink, Paint};
use crate::units::text::shortened_with;

/// Columns between two others.
const GAP: &str = "  ";

/// Narrowest and widest bar.
const BAR: std::ops::RangeInclusive<usize> = 8..=40;

/// What a column shows.
enum Cells {
    Text {
        texts: Vec<String>,
        is_left: bool,
        ink: Vec<Option<Ink>>,
    },
    /// Shares of the longest bar; `None` for no bar.
    Bars(Vec<Option<f64>>),
}

/// A column, one cell a row.
pub(crate) struct Column {
    /// In one or several lines.
    heading: String,
    cells: Cells,
}

impl Column {
    /// Text that begins at the left.
    pub(crate) fn left(heading: &str, texts: Vec<String>) -> Self {
        let ink = vec![None; texts.len()];
        Self { heading: heading.into(), cells: Cells::Text { texts, is_left: true, ink } }
    }

    /// Text that ends at the right, as numbers do.
    pub(crate) fn right(heading: &str, texts: Vec<String>) -> Self {
        let ink = vec![None; texts.len()];
        Self { heading: heading.into(), cells: Cells::Text { texts, is_left: false, ink } }
    }

    /// Bars, by their shares of the longest.
    pub(super) fn bars(heading: &str, shares: Vec<Option<f64>>) -> Self {
        Self { heading: heading.into(), cells: Cells::Bars(shares) }
    }

    /// The same, its cells in these colours.
    pub(crate) fn inked(mut self, inks: impl Fn(usize) -> Option<Ink>) -> Self {
        if let Cells::Text { ink, .. } = &mut self.cells {
            ink.iter_mut().enumerate().for_each(|(i, ink)| *ink = inks(i));
        }
        self
    }

    fn is_empty_at(&self, row: usize) -> bool {
        match &self.cells {
            Cells::Text { texts, .. } => texts[row].is_empty(),
            Cells::Bars(shares) => shares[row].is_none(),
        }
    }

    fn is_empty(&self) -> bool {
        match &self.cells {
            Cells::Text { texts, .. } => texts.iter().all(String::is_empty),
            Cells::Bars(shares) => shares.iter().all(Option::is_none),
        }
    }

    /// What it needs at least.
    fn width(&self, paint: &Paint) -> usize {
        let heading = paint.text(&self.heading).lines().map(|line| line.chars().count()).max().unwrap_or(0);
        match &self.cells {
            Cells::Text { texts, .. } => {
                texts.iter().map(|text| paint.text(text).chars().count()).max().unwrap_or(0).max(heading)
            }
            Cells::Bars(_) => heading.max(*BAR.start()),
        }
    }

    /// The heading's line so many lines above the last one.
    fn heading(&self, paint: &Paint, width: usize, above: usize) -> String {
        let heading = paint.text(&self.heading);
        let heading = heading.lines().rev().nth(above).unwrap_or_default();
        match self.cells {
            Cells::Text { is_left: false, .. } => format!("{heading:>width$}"),
            _ => format!("{heading:<width$}"),
        }
    }

    fn cell(&self, paint: &Paint, row: usize, width: usize) -> String {
        match &self.cells {
            Cells::Text { texts, is_left, ink } => {
                let text = paint.text(&texts[row]);
                let padded = if *is_left { format!("{text:<width$}") } else { format!("{text:>width$}") };
                ink[row].map_or(padded.clone(), |ink| paint.ink(ink, &padded))
            }
            Cells::Bars(shares) => {
                shares[row].map_or_else(|| " ".repeat(width), |share| paint.bar(share, width))
            }
        }
    }
}

/// A table.
#[derive(Default)]
pub(crate) struct Grid {
    /// What says which row it is: repeated in each further table.
    pub(crate) keys: Vec<Column>,
    /// Columns that belong together; those without any text are left out.
    pub(crate) blocks: Vec<Vec<Column>>,
    /// By row, what stands in place of all blocks; may be shorter than the table.
    pub(crate) notes: Vec<Option<String>>,
    /// By row, what stands on a line of its own above it; may be shorter than the table.
    pub(crate) titles: Vec<Option<String>>,
    pub(crate) n_rows: usize,
}

impl Grid {
    pub(crate) fn render(mut self, paint: &Paint) -> String {
        self.blocks.iter_mut().for_each(|block| block.retain(|column| !column.is_empty()));
        self.keys.retain(|column| !column.is_empty());
        let bands = self.bands(paint);
        let texts: Vec<String> =
            bands.iter().enumerate().map(|(i, band)| self.band(paint, band, i == 0)).collect();
        texts.join("\n")
    }

    /// Which columns stand beside each other, as block and place within it.
    fn bands(&self, paint: &Paint) -> Vec<Vec<(usize, usize)>> {
        let keys: usize = self.keys.iter().map(|key| key.width(paint) + GAP.len()).sum();
        let room = paint.width().saturating_sub(keys);
        let needs = |columns: &[Column]| -> usize {
            columns
                .iter()
                .map(|column| column.width(paint) + GAP.len())
                .sum::<usize>()
                .saturating_sub(GAP.len())
        };
        let mut bands: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
        let mut left = room;
        for (i, block) in self.blocks.iter().enumerate().filter(|(_, block)| !block.is_empty()) {
            let is_begun = bands.last().is_some_and(|band| !band.is_empty());
            if is_begun && needs(block) > left && needs(block) <= room {
                bands.push(Vec::new());
                left = room;
            }
            for (j, column) in block.iter().enumerate() {
                let width = column.width(paint);
                if width > left && bands.last().is_some_and(|band| !band.is_empty()) {
                    bands.push(Vec::new());
                    left = room;
                }
                if let Some(band) = bands.last_mut() {
                    band.push((i, j));
                }
                left = left.saturating_sub(width + GAP.len());
            }
        }
        bands
    }

    fn band(&self, paint: &Paint, band: &[(usize, usize)], is_first: bool) -> String {
        let own: Vec<&Column> = band.iter().map(|&(i, j)| &self.blocks[i][j]).collect();
        let columns: Vec<&Column> = self.keys.iter().chain(own.iter().copied()).collect();
        let mut widths: Vec<usize> = columns.iter().map(|column| column.width(paint)).collect();
        let used = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let spare = paint.width().saturating_sub(used);
        if let Some(i) = columns.iter().position(|column| matches!(column.cells, Cells::Bars(_))) {
            widths[i] = (widths[i] + spare).min(*BAR.end());
        }
        // No blanks behind the last one, which a colour would make hard to cut off.
        if let (Some(Cells::Text { is_left: true, .. }), Some(width)) =
            (columns.last().map(|column| &column.cells), widths.last_mut())
        {
            *width = 0;
        }
        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            text += cells.join(GAP).trim_end();
            text.push('\n');
        };
        let n_lines = columns.iter().map(|column| column.heading.lines().count()).max().unwrap_or(1);
        for above in (0..n_lines).rev() {
            let heads = columns.iter().zip(&widths);
            line(
                heads
                    .map(|(column, width)| paint.ink(Ink::Faint, &column.heading(paint, *width, above)))
                    .collect(),
            );
        }
        for row in 0..self.n_rows {
            let note = self.notes.get(row).and_then(Option::as_deref);
            if !is_first && (note.is_some() || own.iter().all(|column| column.is_empty_at(row))) {
                continue;
            }
            if let Some(title) = self.titles.get(row).and_then(Option::as_deref) {
                line(vec![paint.ink(Ink::Strong, &paint.text(title))]);
            }
            let cells = columns.iter().zip(&widths).map(|(column, width)| column.cell(paint, row, *width));
            match note {
                None => line(cells.collect()),
                Some(note) => {
                    let keys: Vec<String> = cells.take(self.keys.len()).collect();
                    let taken: usize = widths[..self.keys.len()].iter().map(|width| width + GAP.len()).sum();
                    let note = cut(&paint.text(note), paint.width().saturating_sub(taken));
                    line(keys.into_iter().chain([paint.ink(Ink::Bad, &note)]).collect());
                }
            }
        }
        text
    }
}

/// The text, cut to so many characters.
fn cut(text: &str, width: usize) -> String {
    shortened_with(text, width, "...")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::Style;

    fn column(heading: &str, texts: &[&str]) -> Column {
        Column::right(heading, texts.iter().map(|&text| text.into()).collect())
    }

    fn render(width: usize) -> String {
        let grid = Grid {
            keys: vec![column("depth", &["0", "4096"])],
            blocks: vec![
                vec![column("prefill", &["3714 ± 12", ""]), column("generation", &["90.1 ± 0.18", ""])],
                vec![column("first", &["551 ms", ""]), column("last", &["1.65 s", ""])],
                vec![column("nothing", &["", ""])],
            ],
            notes: vec![None, Some("failed: out of memory".into())],
            titles: Vec::new(),
            n_rows: 2,
        };
        grid.render(&Paint::new(Style { width, ..Style::default() }))
    }

    #[test]
    fn what_does_not_fit_beside_goes_below() {
        assert_eq!(
            render(60),
            "depth    prefill   generation   first    last\n    0  3714 ± 12  90.1 ± 0.18  551 ms  1.65 s\n \
             4096  failed: out of memory\n"
        );
        assert_eq!(
            render(40),
            "depth    prefill   generation\n    0  3714 ± 12  90.1 ± 0.18\n 4096  failed: out of memory\n\n\
             depth   first    last\n    0  551 ms  1.65 s\n"
        );
    }

    #[test]
    fn a_block_that_never_fits_is_broken() {
        assert_eq!(
            render(20),
            "depth    prefill\n    0  3714 ± 12\n 4096  failed: ou...\n\ndepth   generation\n    0  90.1 ± 0.18\n\n\
             depth   first\n    0  551 ms\n\ndepth    last\n    0  1.65 s\n"
        );
    }

    #[test]
    fn bars_take_what_is_left() {
        let grid = || Grid {
            keys: vec![column("n", &["1"])],
            blocks: vec![vec![Column::bars("", vec![Some(1.0)])], vec![column("x", &["12"])]],
            n_rows: 1,
            ..Grid::default()
        };
        let width = |width| {
            let text = grid().render(&Paint::new(Style { width, unicode: false, ..Style::default() }));
            text.matches('#').count()
        };
        assert_eq!([20, 30, 400].map(width), [13, 23, 40]);
    }
}
