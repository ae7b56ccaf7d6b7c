//! The lines of a picture over numbers of sequences: one per side and depth.

use super::{
    panel::Shape,
    series::{Series, Spot},
    theme::Ink,
};
use crate::{
    record::{Report, Test},
    report::{
        levels::{Lines, has_levels, starts_at},
        sides::{Side, sides},
    },
};

/// What of several sequences a line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// All of them together.
    Total,
    /// One of them.
    Each,
}

/// The lines of a kind of test, each side's main one; none for a report whose tests are all of one sequence. Of several
/// sides the shallowest and the deepest context are enough.
pub(super) fn lines(report: &Report, main: fn(&Lines) -> Option<Test>, of: Of) -> Vec<Series<'_>> {
    let sides = sides(report);
    let with_levels: Vec<(usize, &Side<'_>, Lines)> = sides
        .iter()
        .enumerate()
        .filter(|(_, side)| has_levels(&side.runs))
        .map(|(i, side)| (i, side, Lines::of(&side.runs)))
        .collect();
    let mut depths: Vec<u32> = with_levels.iter().flat_map(|(.., lines)| lines.depths()).collect();
    depths.sort_unstable();
    depths.dedup();
    if sides.len() > 1 && depths.len() > 2 {
        depths.drain(1..depths.len() - 1);
    }
    let mut all = Vec::new();
    for (n_side, side, lines) in &with_levels {
        let Some(test) = main(lines) else { continue };
        for (n_depth, &depth) in depths.iter().enumerate() {
            let spots = spots(side, test, depth, of);
            if spots.is_empty() {
                continue;
            }
            let depth = if depths.len() > 1 { format!("depth {depth}") } else { String::new() };
            let parts = [side.name.clone(), depth].into_iter().filter(|part| !part.is_empty());
            // One colour per side; of a single side, one per depth.
            let (colour, shape) = if sides.len() > 1 { (*n_side, n_depth) } else { (n_depth, n_depth) };
            all.push(Series {
                name: parts.collect::<Vec<_>>().join(", "),
                runs: side.runs.clone(),
                test: match of {
                    Of::Total => format!("{test}, all sequences"),
                    Of::Each => format!("{test}, each sequence"),
                },
                kind: test.kind,
                spots,
                ink: Ink::Series(colour % Ink::N_SERIES),
                shape: Shape::ALL[(shape + colour / Ink::N_SERIES) % Shape::ALL.len()],
                shows_fill: false,
            });
        }
    }
    all
}

/// A test of a side from one depth, at each of its numbers of sequences, ascending.
fn spots<'a>(side: &Side<'a>, test: Test, depth: u32, of: Of) -> Vec<Spot<'a>> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    for run in &side.runs {
        let mut seen = Vec::new();
        for cell in &run.cells {
            let at = cell.test.n_parallel;
            let is_meant =
                cell.test.at_any_depth().parallel(1) == test && starts_at(cell.test) == Some(depth);
            if at == 0 || !is_meant || seen.contains(&at) {
                continue;
            }
            seen.push(at);
            let over = if of == Of::Each { at } else { 1 };
            match spots.iter_mut().find(|spot| spot.at == at) {
                Some(spot) => spot.cells.push(cell),
                None => spots.push(Spot { at, over, cells: vec![cell] }),
            }
        }
    }
    // Why a test failed is said once, at the total.
    spots.retain(|spot| of == Of::Total || spot.failure().is_none());
    spots.sort_by_key(|spot| spot.at);
    spots
}
