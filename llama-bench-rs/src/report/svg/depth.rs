//! Speed against depth: one panel for prompt processing, one for embedding, one for generation.

use super::{
    axis::Axis,
    panel::{Anchor, LINE, Mark, Panel, Point, RIGHT, RIGHT_WITH_FIGURES, width_of},
    series::{KINDS, Series, clean},
    theme::Ink,
};
use crate::{
    record::{Cell, CurvePoint, Outcome, TestKind},
    units::{Change, TokensPerSecond},
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

/// The mean rate of a cell, however it is known; `None` if it failed or no time passed.
fn mean_rate(cell: &Cell) -> Option<TokensPerSecond> {
    match &cell.outcome {
        Outcome::Summarised(summary) => summary.rate,
        _ => Some(cell.rate_summary()?.mean),
    }
}

/// The speed of a cell; `None` where there is no [`mean_rate`].
pub(super) fn speed(cell: &Cell) -> Option<Speed> {
    let mean = mean_rate(cell)?.get();
    let Some(summary) = cell.rate_summary() else { return Some(Speed { mean, interval: None, n: None }) };
    let interval = summary.ci95.map(|i| (i.lower().map_or(0.0, TokensPerSecond::get), i.upper().get()));
    Some(Speed { mean, interval, n: Some(summary.n) })
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
    KINDS
        .into_iter()
        .filter_map(|is_kind| {
            let lines: Vec<&Series<'_>> = series.iter().filter(|line| is_kind(line.kind)).collect();
            panel(&lines)
        })
        .collect()
}

fn panel(lines: &[&Series<'_>]) -> Option<Panel> {
    let kind = lines.first()?.kind;
    let is_prompt = kind.is_prompt();
    let speeds: Vec<Speed> =
        lines.iter().flat_map(|line| &line.cells).filter_map(|cell| speed(cell)).collect();
    let means = speeds.iter().map(|speed| speed.mean);
    // An interval of a few wild samples must not squash the figures that it is about.
    let most = means.clone().fold(0.0, f64::max);
    let bounds = speeds.iter().filter_map(|speed| speed.interval).map(|(_, upper)| upper.min(2.0 * most));
    // A slow chunk of the fill is no reason to zoom out: it is cut at the lower axis.
    let least = means.clone().fold(f64::INFINITY, f64::min);
    let fill = lines.iter().filter(|_| is_prompt).flat_map(|line| &line.run.curve).filter_map(fill_rate);
    let fill = fill.filter(|rate| *rate >= least);
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
    let right = match lines {
        [line] => {
            label_points(&mut marks, line, &x, &y);
            RIGHT
        }
        [..] if lines.len() <= MOST_LABELLED => {
            label_ends(&mut marks, lines, &y);
            RIGHT_WITH_FIGURES
        }
        _ => RIGHT,
    };
    label_failures(&mut marks, lines, &x);

    let what = match kind {
        TestKind::Pp(_) => "Prompt processing",
        TestKind::Tg(_) => "Token generation",
        TestKind::Embd(_) => "Embedding",
    };
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
        right,
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
        note.push_str("; band: 95 % interval within a run");
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

/// The speed of one chunk of the fill, placed as a test is: at the depth when the clock started. What warmed up has
/// none.
fn fill_rate(point: &CurvePoint) -> Option<f64> {
    if point.warmup {
        return None;
    }
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

/// The depths and speeds of a line, apart where a cell has none.
fn stretches(line: &Series<'_>) -> Vec<Vec<(f64, Speed)>> {
    let points: Vec<(f64, Option<Speed>)> =
        line.cells.iter().map(|cell| (cell.test.n_depth.into(), speed(cell))).collect();
    points
        .split(|(_, speed)| speed.is_none())
        .map(|stretch| stretch.iter().filter_map(|&(x, speed)| Some((x, speed?))).collect())
        .collect()
}

/// Band, line and markers, broken where a cell failed; a cross for that cell.
fn push_line(marks: &mut Vec<Mark>, line: &Series<'_>, n: usize) {
    for known in stretches(line) {
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
    let (width, height) = Panel::inner_size(RIGHT);
    let known: Vec<(f64, Speed)> = stretches(line).concat();
    let (Some(&first), Some(&last)) = (known.first(), known.last()) else { return };
    // Distances from the left and the upper end of the axes, in units.
    let across = |depth: f64| x.fraction(depth) * width;
    let down = |value: f64| (1.0 - y.fraction(value)) * height;
    let drawn: Vec<Vec<Point>> = stretches(line)
        .iter()
        .map(|stretch| stretch.iter().map(|&(depth, speed)| (across(depth), down(speed.mean))).collect())
        .collect();
    let labels = known.iter().enumerate().map(|(i, &(depth, speed))| {
        let (is_first, is_last) = (i == 0, i + 1 == known.len());
        let change = Change::new(speed.mean / first.1.mean - 1.0).filter(|_| is_last && depth > first.0);
        let text = match change {
            Some(change) => format!("{} ({})", figure(speed.mean), signed(change)),
            None => figure(speed.mean),
        };
        let wide = width_of(&text);
        let (anchor, dx, from) = match (is_first, is_last) {
            (true, false) => (Anchor::Start, -4.0, across(depth) - 4.0),
            (false, true) => (Anchor::End, 8.0, across(depth) + 8.0 - wide),
            _ => (Anchor::Middle, 0.0, across(depth) - wide / 2.0),
        };
        (i, depth, speed, text, anchor, dx, from..from + wide)
    });
    let labels: Vec<_> = labels.collect();
    let last_from = labels.last().map_or(width, |label| label.6.start);
    let mut free_from = f64::NEG_INFINITY;
    for (i, depth, speed, text, anchor, dx, extent) in labels {
        let is_between = i > 0 && depth < last.0;
        if is_between && (extent.start < free_from || extent.end + 6.0 > last_from) {
            continue;
        }
        free_from = extent.end + 6.0;
        // Above the line wherever the text is, and above the whisker if that is not far away.
        let tops = drawn.iter().map(|stretch| highest(stretch, extent.start, extent.end));
        let line_top = tops.fold(down(speed.mean), f64::min);
        let whisker_top = speed.interval.map_or(line_top, |(_, upper)| down(upper));
        let top = if line_top - whisker_top < 2.0 * LINE { line_top.min(whisker_top) } else { line_top };
        let by = (dx, top - 11.0 - down(speed.mean));
        marks.push(Mark::Label { at: (depth, speed.mean), by, anchor, text, ink: Ink::Text });
    }
}

/// The least distance from the top of a line between two places; infinite where there is no line.
fn highest(points: &[Point], from: f64, to: f64) -> f64 {
    let at = |x: f64, a: Point, b: Point| a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0);
    let crossed = points
        .windows(2)
        .filter(|pair| pair[0].0 < to && pair[1].0 > from)
        .flat_map(|pair| [from.max(pair[0].0), to.min(pair[1].0)].map(|x| at(x, pair[0], pair[1])));
    crossed.fold(f64::INFINITY, f64::min)
}

/// In percent with its sign.
fn signed(change: Change) -> String {
    format!("{change:.0}")
}

/// The last figure of each of several lines, on the right of its point and clear of the others.
fn label_ends(marks: &mut Vec<Mark>, lines: &[&Series<'_>], y: &Axis) {
    let height = Panel::inner_size(RIGHT_WITH_FIGURES).1;
    let last = |line: &&Series<'_>| {
        let cells = line.cells.iter().rev();
        let known = cells.filter_map(|cell| Some((f64::from(cell.test.n_depth), speed(cell)?.mean)));
        known.map(|at| (at, line.ink)).next()
    };
    let mut ends: Vec<(Point, Ink)> = lines.iter().filter_map(last).collect();
    ends.sort_by(|a, b| b.0.1.total_cmp(&a.0.1));
    // Where labels would lie over each other, a heap of them is centred on its points.
    let wanted: Vec<f64> = ends.iter().map(|(at, _)| (1.0 - y.fraction(at.1)) * height).collect();
    for (((at, ink), wanted), placed) in ends.into_iter().zip(&wanted).zip(spread(&wanted, LINE)) {
        let by = (8.0, placed - wanted);
        marks.push(Mark::Label { at, by, anchor: Anchor::Start, text: figure(at.1), ink });
    }
}

/// Ascending places moved as little as needed to be so far apart.
fn spread(wanted: &[f64], distance: f64) -> Vec<f64> {
    // Heaps of neighbours: first place, number.
    let mut heaps: Vec<(f64, usize)> = Vec::new();
    for &place in wanted {
        let mut heap = (place, 1);
        while let Some(&(start, n)) = heaps.last() {
            let end = start + n as f64 * distance;
            if end <= heap.0 {
                break;
            }
            heaps.pop();
            // The middle of both, each weighed by its labels.
            let start =
                (start * n as f64 + (heap.0 - n as f64 * distance) * heap.1 as f64) / (n + heap.1) as f64;
            heap = (start, n + heap.1);
        }
        heaps.push(heap);
    }
    heaps.iter().flat_map(|&(start, n)| (0..n).map(move |i| start + i as f64 * distance)).collect()
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
    fn labels_that_would_meet_make_room() {
        assert_eq!(spread(&[10.0, 50.0], 13.0), [10.0, 50.0]);
        assert_eq!(spread(&[10.0, 10.0, 50.0], 10.0), [5.0, 15.0, 50.0]);
        assert_eq!(spread(&[0.0, 4.0, 11.0], 10.0), [-5.0, 5.0, 15.0]);
        assert!(spread(&[], 10.0).is_empty());
    }

    #[test]
    fn a_label_clears_the_line_over_its_whole_width() {
        let line = [(0.0, 10.0), (100.0, 60.0)];
        assert_eq!(highest(&line, 60.0, 100.0), 40.0);
        assert_eq!(highest(&line, 200.0, 300.0), f64::INFINITY);
        assert_eq!(highest(&line[..1], 0.0, 10.0), f64::INFINITY);
    }

    #[test]
    fn changes_have_their_sign() {
        assert_eq!(signed(Change::new(0.157).unwrap()), "+16 %");
        assert_eq!(signed(Change::new(-0.453).unwrap()), "-45 %");
    }

    #[test]
    fn figures_have_the_digits_that_matter() {
        let shown = [3713.75, 90.06, 6.234, 0.51234].map(figure);
        assert_eq!(shown, ["3714", "90.1", "6.23", "0.512"]);
    }
}
