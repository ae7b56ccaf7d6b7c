//! Speed against the number of sequences: for each kind of test a panel for all of them together and one for each.

use super::{
    axis::{Axis, Extent, SpeedScale},
    depth::{Below, Seen, extent, panel},
    levels::{Of, lines},
    panel::Panel,
    series::Series,
};
use crate::{
    record::{Report, Test},
    report::levels::Lines,
};

/// A panel's lines.
type Shown = (fn(&Lines) -> Option<Test>, Of);

/// The panels in lines of two.
const PANELS: [Shown; 4] = [
    (|lines| lines.prefill, Of::Total),
    (|lines| lines.prefill, Of::Each),
    (|lines| lines.generation, Of::Total),
    (|lines| lines.generation, Of::Each),
];

/// The lines of each panel, without those that have nothing to show.
pub(super) fn all_lines(report: &Report) -> Vec<Vec<Series<'_>>> {
    let all = PANELS.into_iter().map(|(main, of)| lines(report, main, of));
    all.filter(|lines| extent(&lines.iter().collect::<Vec<_>>()).is_some()).collect()
}

/// The panels, and how to read them.
pub(super) fn panels(all: &[Vec<Series<'_>>]) -> (Vec<Panel>, String) {
    let spots = all.iter().flatten().flat_map(|line| &line.spots);
    let levels: Vec<u32> = spots.map(|spot| spot.at).collect();
    let Some(axis) = Axis::levels(&levels) else { return (Vec::new(), String::new()) };
    let below = Below { axis, name: "sequences", at: with };
    let all: Vec<Vec<&Series<'_>>> = all.iter().map(|lines| lines.iter().collect()).collect();
    let extents: Vec<Extent> = all.iter().filter_map(|lines| extent(lines)).collect();
    let scale = SpeedScale::of(&extents);
    let mut seen = Seen::default();
    let drawn = |(lines, extent): (&Vec<&Series<'_>>, &Extent)| {
        panel(lines, &below, scale.axis(extent.fastest), &mut seen)
    };
    let panels: Vec<Panel> = all.iter().zip(&extents).map(drawn).collect();
    let caption = seen.caption(panels.len(), scale.is_log());
    (panels, caption)
}

/// A number of sequences in the words of a description.
pub(super) fn with(n_parallel: u32) -> String {
    format!("with {}", crate::report::in_words::count(n_parallel, "sequence"))
}
