//! Speed against depth: one panel for prompt processing, one for generation.

use super::{
    axis::Axis,
    panel::{Anchor, LINE, Mark, Panel, Point, width_of},
    series::{Series, clean},
    theme::Ink,
};
use crate::{
    record::{Cell, CurvePoint, Outcome},
    units::{Ratio, TokensPerSecond},
};

/// With more lines than this, figures beside them are clutter.
const MOST_LABELLED: usize = 5;

/// A speed with what is known of its uncertainty, in tokens per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed {
    pub mean: f64,
    /// The 95 % interval of the mean.
    pub interval: Option<(f64, f64)>,
    /// Repetitions, if known.
    pub n: Option<usize>,
}

/// The speed of a cell; `None` if it failed or no time passed.
pub(super) fn speed(cell: &Cell) -> Option<Speed> {
    if let Outcome::Summarised(summary) = &cell.outcome {
        return Some(Speed { mean: summary.rate?.get(), interval: None, n: None });
    }
    let summary = cell.rate_summary()?;
    let interval = summary.ci95.map(|i| (i.lower().map_or(0.0, TokensPerSecond::get), i.upper().get()));
    Some(Speed { mean: summary.mean.get(), interval, n: Some(summary.n) })
}

/// A number of three or four digits that matter.
pub(super) fn figure(value: f64) -> String {
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The panels, without those that have nothing to show.
pub(super) fn panels(series: &[Series<'_>]) -> Vec<Panel> {
    [true, false]
        .into_iter()
        .filter_map(|is_prompt| {
            let lines: Vec<&Series<'_>> = series.iter().filter(|line| line.is_prompt == is_prompt).collect();
            panel(&lines, is_prompt)
        })
        .collect()
}

fn panel(lines: &[&Series<'_>], is_prompt: bool) -> Option<Panel> {
    let speeds: Vec<Speed> =
        lines.iter().flat_map(|line| &line.cells).filter_map(|cell| speed(cell)).collect();
    let means = speeds.iter().map(|speed| speed.mean);
    // An interval of a few wild samples must not squash the figures that it is about.
    let most = means.clone().fold(0.0, f64::max);
    let bounds = speeds.iter().filter_map(|speed| speed.interval).map(|(_, upper)| upper.min(2.0 * most));
    let fill = lines.iter().filter(|_| is_prompt).flat_map(|line| &line.run.curve).filter_map(fill_rate);
    let y = Axis::from_zero(means.clone().chain(bounds).chain(fill))?;
    means.clone().next()?;
    let depths: Vec<u32> = lines.iter().flat_map(|line| &line.cells).map(|cell| cell.test.n_depth).collect();
    let x = Axis::depths(&depths)?;

    let mut marks = Vec::new();
    let mut has_fill = false;
    for line in lines.iter().filter(|_| is_prompt) {
        has_fill |= push_fill(&mut marks, line);
    }
    for (i, line) in lines.iter().enumerate() {
        push_line(&mut marks, line, i);
    }
    match lines {
        [line] => label_points(&mut marks, line, &x, &y),
        [..] if lines.len() <= MOST_LABELLED => label_ends(&mut marks, lines, &y),
        _ => {}
    }
    label_failures(&mut marks, lines, &x);

    let what = if is_prompt { "Prompt processing" } else { "Token generation" };
    let mut tests: Vec<&str> = lines.iter().map(|line| line.test.as_str()).collect();
    tests.dedup();
    Some(Panel {
        heading: match tests[..] {
            [test] => format!("{what}, {test}"),
            _ => what.to_owned(),
        },
        note: note(&speeds, has_fill, y.is_log()),
        description: lines.iter().map(|line| describe(line)).collect::<Vec<_>>().join(" "),
        x,
        x_name: "tokens in the context",
        y,
        marks,
    })
}

fn note(speeds: &[Speed], has_fill: bool, is_log: bool) -> String {
    let counts: Vec<usize> = speeds.iter().filter_map(|speed| speed.n).collect();
    let mut note = String::from("tokens per second");
    match (counts.iter().min(), counts.iter().max()) {
        (Some(1), Some(1)) => note.push_str(", one repetition"),
        (Some(least), Some(most)) if least == most => note.push_str(&format!(", mean of {most}")),
        (Some(least), Some(most)) => note.push_str(&format!(", mean of {least} to {most}")),
        _ => note.push_str(", mean"),
    }
    if speeds.iter().any(|speed| speed.interval.is_some()) {
        note.push_str("; band: 95 % interval");
    }
    if has_fill {
        note.push_str("; faint: while filling");
    }
    if is_log {
        note.push_str("; log scale");
    }
    note
}

/// The figures of a line in one sentence.
fn describe(line: &Series<'_>) -> String {
    let figures = line.cells.iter().map(|cell| {
        let value = match (speed(cell), cell.failure()) {
            (Some(speed), _) => format!("{} t/s", figure(speed.mean)),
            (None, Some(failure)) => format!("failed ({})", clean(&failure.kind)),
            (None, None) => "no time passed".to_owned(),
        };
        format!("{value} at depth {}", cell.test.n_depth)
    });
    line.sentence(figures)
}

/// The speed of one chunk of the fill, placed as a test is: at the depth when the clock started.
fn fill_rate(point: &CurvePoint) -> Option<f64> {
    Some(TokensPerSecond::from_elapsed(point.n_tokens.into(), point.elapsed)?.get())
}

fn push_fill(marks: &mut Vec<Mark>, line: &Series<'_>) -> bool {
    // The line of a run is drawn once, though several of its tests may be.
    let points: Vec<Point> = line
        .run
        .curve
        .iter()
        .filter_map(|point| Some((f64::from(point.n_depth), fill_rate(point)?)))
        .collect();
    let mark = Mark::Line { points, ink: line.ink, width: 1.25, opacity: 0.4 };
    let is_new = matches!(&mark, Mark::Line { points, .. } if points.len() > 1) && !marks.contains(&mark);
    if is_new {
        marks.push(mark);
    }
    is_new
}

/// Band, line and markers, broken where a cell failed; a cross for that cell.
fn push_line(marks: &mut Vec<Mark>, line: &Series<'_>, n: usize) {
    let points: Vec<(f64, Option<Speed>)> =
        line.cells.iter().map(|cell| (f64::from(cell.test.n_depth), speed(cell))).collect();
    for stretch in points.split(|(_, speed)| speed.is_none()) {
        let known: Vec<(f64, Speed)> = stretch.iter().filter_map(|&(x, speed)| Some((x, speed?))).collect();
        push_band(marks, &known, line.ink);
        let points: Vec<Point> = known.iter().map(|(x, speed)| (*x, speed.mean)).collect();
        if points.len() > 1 {
            marks.push(Mark::Line { points: points.clone(), ink: line.ink, width: 2.0, opacity: 1.0 });
        }
        for at in points {
            marks.push(Mark::Marker { at, shape: line.shape, ink: line.ink });
        }
    }
    let failed = line.cells.iter().filter(|cell| cell.failure().is_some());
    for cell in failed {
        marks.push(Mark::Cross { x: cell.test.n_depth.into(), above: n as f64 * 10.0, ink: line.ink });
    }
}

/// The intervals: a band where there are neighbours, and a whisker at each.
fn push_band(marks: &mut Vec<Mark>, known: &[(f64, Speed)], ink: Ink) {
    for with_interval in known.split(|(_, speed)| speed.interval.is_none()) {
        let bounds: Vec<(f64, f64, f64)> = with_interval
            .iter()
            .filter_map(|(x, speed)| speed.interval.map(|(lower, upper)| (*x, lower, upper)))
            .collect();
        if bounds.len() > 1 {
            let lower = bounds.iter().map(|&(x, lower, _)| (x, lower));
            let upper = bounds.iter().rev().map(|&(x, _, upper)| (x, upper));
            marks.push(Mark::Area { outline: lower.chain(upper).collect(), ink, opacity: 0.18 });
        }
        for (x, lower, upper) in bounds {
            marks.push(Mark::Line { points: vec![(x, lower), (x, upper)], ink, width: 1.0, opacity: 0.7 });
        }
    }
}

/// Figures above the points of a line on its own: the first, the last with the change from the first, and those
/// between that have room.
fn label_points(marks: &mut Vec<Mark>, line: &Series<'_>, x: &Axis, y: &Axis) {
    let (width, height) = Panel::inner_size();
    let known: Vec<(f64, Speed)> =
        line.cells.iter().filter_map(|cell| Some((f64::from(cell.test.n_depth), speed(cell)?))).collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else { return };
    let text = |(depth, speed): &(f64, Speed)| {
        let change = Ratio::new(speed.mean / first.1.mean - 1.0);
        match change {
            Some(change) if *depth == last.0 && *depth > first.0 => {
                format!("{} ({change:+.0})", figure(speed.mean))
            }
            _ => figure(speed.mean),
        }
    };
    // Above the whisker, if that is not far away.
    let rise = |speed: &Speed| {
        let upper = speed.interval.map_or(speed.mean, |(_, upper)| upper);
        let whisker = (y.fraction(upper) - y.fraction(speed.mean)) * height;
        if whisker < 2.0 * LINE { -whisker - 11.0 } else { -11.0 }
    };
    let extent = |entry: &(f64, Speed)| {
        let (at, wide) = (x.fraction(entry.0) * width, width_of(&text(entry)));
        match entry.0 {
            _ if known.len() == 1 => (at - wide / 2.0, at + wide / 2.0),
            depth if depth == first.0 => (at - 4.0, at - 4.0 + wide),
            depth if depth == last.0 => (at + 8.0 - wide, at + 8.0),
            _ => (at - wide / 2.0, at + wide / 2.0),
        }
    };
    let mut free_from = f64::NEG_INFINITY;
    for (i, entry) in known.iter().enumerate() {
        let (from, to) = extent(entry);
        let is_last = i + 1 == known.len();
        if !is_last && (from < free_from || to + 6.0 > extent(last).0) && i > 0 {
            continue;
        }
        free_from = to + 6.0;
        let (anchor, dx) = match (i, is_last) {
            (0, true) => (Anchor::Middle, 0.0),
            (0, false) => (Anchor::Start, -4.0),
            (_, true) => (Anchor::End, 8.0),
            _ => (Anchor::Middle, 0.0),
        };
        marks.push(Mark::Label {
            at: (entry.0, entry.1.mean),
            by: (dx, rise(&entry.1)),
            anchor,
            text: text(entry),
            ink: Ink::Text,
        });
    }
}

/// The last figure of each of several lines, above its point or moved away from the others.
fn label_ends(marks: &mut Vec<Mark>, lines: &[&Series<'_>], y: &Axis) {
    let height = Panel::inner_size().1;
    let last = |line: &&Series<'_>| {
        let known =
            line.cells.iter().rev().find_map(|cell| Some((f64::from(cell.test.n_depth), speed(cell)?.mean)));
        known.map(|at| (at, line.ink))
    };
    let mut ends: Vec<(Point, Ink)> = lines.iter().filter_map(last).collect();
    ends.sort_by(|a, b| b.0.1.total_cmp(&a.0.1));
    // From the top down, each label at least a line below the one before; distances from the upper end.
    let mut free_from = f64::NEG_INFINITY;
    for (at, ink) in ends {
        let down = (1.0 - y.fraction(at.1)) * height;
        let label = (down - 11.0).max(free_from);
        free_from = label + LINE;
        let by = (8.0, label - down);
        marks.push(Mark::Label { at, by, anchor: Anchor::End, text: figure(at.1), ink });
    }
}

/// Why cells failed, above the first cross of each reason.
fn label_failures(marks: &mut Vec<Mark>, lines: &[&Series<'_>], x: &Axis) {
    let mut told: Vec<&str> = Vec::new();
    for cell in lines.iter().flat_map(|line| &line.cells) {
        let Some(failure) = cell.failure().filter(|failure| !told.contains(&failure.kind.as_str())) else {
            continue;
        };
        told.push(&failure.kind);
        let depth = f64::from(cell.test.n_depth);
        let (anchor, dx) = if x.fraction(depth) < 0.5 { (Anchor::Start, -4.0) } else { (Anchor::End, 4.0) };
        let above = 22.0 + lines.len().saturating_sub(1) as f64 * 10.0 + (told.len() - 1) as f64 * LINE;
        marks.push(Mark::Label {
            at: (depth, f64::NEG_INFINITY),
            by: (dx, -above),
            anchor,
            text: format!("failed: {}", clean(&failure.kind)),
            ink: Ink::Warning,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_matter() {
        let shown = [3713.75, 90.06, 6.234, 0.51234].map(figure);
        assert_eq!(shown, ["3714", "90.1", "6.23", "0.512"]);
    }
}
