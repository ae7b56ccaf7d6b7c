//! Speed against depth: one panel for prompt processing, one for embedding, one for generation, all on one scale. The lines
//! of speed against the number of sequences are drawn here too.

use super::{
    axis::{Axis, Extent, SpeedScale},
    labels::{label_ends, label_failures, label_points},
    panel::{Mark, Panel, Point, RIGHT, RIGHT_WITH_FIGURES},
    series::{KINDS, Series, clean},
    speed::{Of, Speed, figure, speed},
    theme::Ink,
};
use crate::{
    record::{CurvePoint, TestKind},
    units::TokensPerSecond,
};

/// With more lines than this, figures beside them are clutter.
const MOST_LABELLED: usize = 5;
/// With more lines than this, overlapping bands cannot be read: whiskers show the same.
pub(super) const MOST_BANDS: usize = 3;
/// With more lines than this, thick ones hide each other.
const MOST_THICK: usize = 6;
/// Half the width of a whisker's end, as a share of the lower axis.
const WHISKER_END: f64 = 0.006;

/// The panels, without those that have nothing to show, and how to read them.
pub(super) fn panels(series: &[Series<'_>]) -> (Vec<Panel>, String) {
    let of_kind = |is_kind: fn(TestKind) -> bool| {
        let lines: Vec<&Series<'_>> = series.iter().filter(|line| is_kind(line.kind)).collect();
        let extent = extent(&lines)?;
        Some((lines, extent))
    };
    let all: Vec<(Vec<&Series<'_>>, Extent)> = KINDS.into_iter().filter_map(of_kind).collect();
    let extents: Vec<Extent> = all.iter().map(|(_, extent)| *extent).collect();
    let scale = SpeedScale::of(&extents);
    let lines = all.iter().flat_map(|(lines, _)| lines);
    let depths: Vec<u32> = lines.flat_map(|line| &line.spots).map(|spot| spot.at).collect();
    let Some(x) = Axis::depths(&depths) else { return (Vec::new(), String::new()) };
    let mut seen = Seen::default();
    let x = Below { axis: x, name: "tokens in the context", at: |n_depth| format!("at depth {n_depth}") };
    let panels = all.iter().map(|(lines, extent)| panel(lines, &x, scale.axis(extent.fastest), &mut seen));
    let panels: Vec<Panel> = panels.collect();
    let caption = seen.caption(panels.len(), scale.is_log());
    (panels, caption)
}

/// The lower axis.
pub(super) struct Below {
    pub axis: Axis,
    /// What it counts.
    pub name: &'static str,
    /// A place of it, in the words of a description.
    pub at: fn(u32) -> String,
}

/// What the pictures hold beside the lines.
#[derive(Default)]
pub(super) struct Seen {
    band: bool,
    whisker: bool,
    within_a_run: bool,
    between_runs: bool,
    fill: bool,
}

impl Seen {
    /// How to read the panels, in sentences.
    pub fn caption(&self, n_panels: usize, is_log: bool) -> String {
        let mut said = Vec::new();
        let mark = match (self.band, self.whisker) {
            (true, _) => Some("Band"),
            (false, true) => Some("Whiskers"),
            (false, false) => None,
        };
        if let Some(mark) = mark {
            let of = match (self.within_a_run, self.between_runs) {
                (true, true) => "between runs where there are several, else within the run",
                (_, true) => "between runs",
                (_, false) => "within a run",
            };
            said.push(format!("{mark}: 95 % interval {of}."));
        }
        if self.fill {
            said.push("Faint: while filling.".to_owned());
        }
        match (n_panels > 1, is_log) {
            (true, true) => {
                said.push("Log scale; the same in all panels: equal heights are equal factors.".to_owned());
            }
            (true, false) => {
                said.push("One scale: equal heights are equal shares of each panel's fastest.".to_owned());
            }
            (false, true) => said.push("Log scale.".to_owned()),
            (false, false) => {}
        }
        said.join(" ")
    }
}

/// What the speeds of a panel lie between; `None` if there are none.
pub(super) fn extent(lines: &[&Series<'_>]) -> Option<Extent> {
    let speeds: Vec<Speed> = lines.iter().flat_map(|line| &line.spots).filter_map(speed).collect();
    let means = || speeds.iter().map(|speed| speed.mean);
    let (lowest, fastest) = (means().fold(f64::INFINITY, f64::min), means().fold(0.0, f64::max));
    // An interval of a few wild samples must not squash the figures that it is about.
    let bounds = speeds.iter().filter_map(|speed| speed.interval).map(|(_, upper)| upper.min(2.0 * fastest));
    // A slow chunk of the fill does not zoom the panel out: it is cut at the lower axis.
    let fill = lines.iter().filter(|line| shows_fill(line, lines.len()));
    let fill = fill.flat_map(|line| &line.runs[0].curve).filter_map(fill_rate).filter(|rate| *rate >= lowest);
    let highest = bounds.chain(fill).fold(fastest, f64::max);
    (fastest > 0.0).then_some(Extent { fastest, lowest, highest })
}

/// The lines of one kind of test.
pub(super) fn panel(lines: &[&Series<'_>], below: &Below, y: Axis, seen: &mut Seen) -> Panel {
    let x = &below.axis;
    let speeds: Vec<Speed> = lines.iter().flat_map(|line| &line.spots).filter_map(speed).collect();
    let mut marks = Vec::new();
    for line in lines.iter().filter(|line| shows_fill(line, lines.len())) {
        seen.fill |= push_fill(&mut marks, line);
    }
    for (i, line) in lines.iter().enumerate() {
        push_line(&mut marks, line, (i, lines.len()), x, seen);
    }
    let right = match lines {
        [line] => {
            label_points(&mut marks, line, x, &y);
            RIGHT
        }
        [..] if lines.len() <= MOST_LABELLED => {
            label_ends(&mut marks, lines, &y);
            RIGHT_WITH_FIGURES
        }
        _ => RIGHT,
    };
    label_failures(&mut marks, lines, x);
    let mut tests: Vec<&str> = lines.iter().map(|line| line.test.as_str()).collect();
    tests.dedup();
    let what = lines.first().map_or("", |line| activity(line.kind));
    Panel {
        heading: match tests[..] {
            [test] => format!("{what}, {test}"),
            _ => what.to_owned(),
        },
        note: note(&speeds),
        description: lines.iter().map(|line| describe(line, below)).collect::<Vec<_>>().join(" "),
        x: x.clone(),
        x_name: below.name,
        y,
        right,
        marks,
    }
}

/// What a kind of test measures, as a heading.
pub(super) fn activity(kind: TestKind) -> &'static str {
    match kind {
        TestKind::Pp(_) => "Prompt processing",
        TestKind::Tg(_) => "Token generation",
        TestKind::Embd(_) => "Embedding",
    }
}

fn note(speeds: &[Speed]) -> String {
    let repetitions = speeds.iter().filter_map(|speed| match speed.of {
        Of::Repetitions(n) => n,
        Of::Runs(_) => None,
    });
    let runs = speeds.iter().filter_map(|speed| match speed.of {
        Of::Runs(n) => Some(n),
        Of::Repetitions(_) => None,
    });
    let range = |counts: &[usize], noun: &str| match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least == most => Some(format!("{most}{noun}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{noun}")),
        _ => None,
    };
    let (repetitions, runs): (Vec<usize>, Vec<usize>) = (repetitions.collect(), runs.collect());
    let of = match (range(&runs, " runs"), range(&repetitions, "")) {
        (Some(runs), _) => format!("mean of {runs}"),
        (None, Some(n)) if n == "1" => "one repetition".to_owned(),
        (None, Some(n)) => format!("mean of {n}"),
        (None, None) => "mean".to_owned(),
    };
    format!("tokens per second, {of}")
}

/// The figures of a line in one sentence.
fn describe(line: &Series<'_>, below: &Below) -> String {
    let figures = line.spots.iter().map(|spot| {
        let value = match (speed(spot), spot.failure()) {
            (Some(speed), _) => format!("{} t/s", figure(speed.mean)),
            (None, Some(failure)) => format!("failed ({})", clean(failure.kind.as_str())),
            (None, None) => "no time passed".to_owned(),
        };
        format!("{value} {}", (below.at)(spot.at))
    });
    line.sentence(figures)
}

/// The fill is shown for prompts of one sequence of a single run, and only beside few lines.
fn shows_fill(line: &Series<'_>, n_lines: usize) -> bool {
    line.shows_fill && line.kind.is_prompt() && line.runs.len() == 1 && n_lines <= MOST_BANDS
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
    let points: Vec<Point> = line.runs[0]
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

/// The places and speeds of a line, in parts: a cell without a speed breaks it.
pub(super) fn stretches(line: &Series<'_>) -> Vec<Vec<(f64, Speed)>> {
    let points: Vec<(f64, Option<Speed>)> =
        line.spots.iter().map(|spot| (spot.at.into(), speed(spot))).collect();
    points
        .split(|(_, speed)| speed.is_none())
        .map(|stretch| stretch.iter().filter_map(|&(x, speed)| Some((x, speed?))).collect())
        .collect()
}

/// Intervals, line and markers; a failed cell breaks the line and is marked by a cross.
fn push_line(marks: &mut Vec<Mark>, line: &Series<'_>, (n, of): (usize, usize), x: &Axis, seen: &mut Seen) {
    let width = if of > MOST_THICK { 1.25 } else { 2.0 };
    for known in stretches(line) {
        if of <= MOST_BANDS {
            seen.band |= push_band(marks, &known, line.ink);
        }
        push_whiskers(marks, &known, line.ink, x, seen);
        let points: Vec<Point> = known.iter().map(|(x, speed)| (*x, speed.mean)).collect();
        if points.len() > 1 {
            marks.push(Mark::Line { points: points.clone(), ink: line.ink, width, opacity: 1.0 });
        }
        for at in points {
            marks.push(Mark::Marker { at, shape: line.shape, ink: line.ink });
        }
    }
    let failed = line.spots.iter().filter(|spot| spot.failure().is_some());
    for spot in failed {
        marks.push(Mark::Cross { x: spot.at.into(), above: cross_height(n), ink: line.ink });
    }
}

/// How far above the axis the cross of the n-th line is, in units: of many lines the last ones share a place.
pub(super) fn cross_height(n: usize) -> f64 {
    n.min(6) as f64 * 10.0
}

/// Draws the intervals of successive depths as a band; returns whether there is one.
fn push_band(marks: &mut Vec<Mark>, known: &[(f64, Speed)], ink: Ink) -> bool {
    let mut any = false;
    for with_interval in known.split(|(_, speed)| speed.interval.is_none()) {
        let bounds: Vec<(f64, f64, f64)> = with_interval
            .iter()
            .filter_map(|(x, speed)| speed.interval.map(|(lower, upper)| (*x, lower, upper)))
            .collect();
        if bounds.len() > 1 {
            let lower = bounds.iter().map(|&(x, lower, _)| (x, lower));
            let upper = bounds.iter().rev().map(|&(x, _, upper)| (x, upper));
            marks.push(Mark::Area { outline: lower.chain(upper).collect(), ink, opacity: 0.18 });
            any = true;
        }
    }
    any
}

/// The interval at each point, with an end on either side.
fn push_whiskers(marks: &mut Vec<Mark>, known: &[(f64, Speed)], ink: Ink, axis: &Axis, seen: &mut Seen) {
    for (x, speed) in known {
        let Some((lower, upper)) = speed.interval else { continue };
        seen.whisker = true;
        match speed.of {
            Of::Runs(_) => seen.between_runs = true,
            Of::Repetitions(_) => seen.within_a_run = true,
        }
        let (left, right) = (axis.aside(*x, -WHISKER_END), axis.aside(*x, WHISKER_END));
        let lines = [
            vec![(*x, lower), (*x, upper)],
            vec![(left, lower), (right, lower)],
            vec![(left, upper), (right, upper)],
        ];
        let line = |points| Mark::Line { points, ink, width: 1.0, opacity: 0.7 };
        marks.extend(lines.map(line));
    }
}
