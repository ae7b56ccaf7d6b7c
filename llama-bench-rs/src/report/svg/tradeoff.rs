//! What throughput costs in latency: the time of a step against the total speed, a point for each number of sequences.

use std::time::Duration;

use super::{
    axis::{Axis, SpeedScale},
    depth::extent,
    latency::{LOG_FROM, ms, summary},
    levels::{Of, lines},
    panel::{Anchor, LINE, Mark, Panel, Point, RIGHT},
    parallel::with,
    series::{Series, Spot, clean},
    speed::{figure, speed},
};
use crate::{record::Report, stats::StepSummary};

/// With more lines than this only their last points are labelled.
const MOST_LABELLED: usize = 2;

/// What a panel shows of the steps.
struct Shown {
    heading: &'static str,
    time: fn(&StepSummary) -> Duration,
}

const PANELS: [Shown; 2] = [
    Shown { heading: "Median time per token", time: |steps| steps.p50 },
    Shown { heading: "99th percentile of the time per token", time: |steps| steps.p99 },
];

/// A number of sequences with its total speed and the times of its steps.
struct Measured {
    n_parallel: u32,
    speed: f64,
    steps: StepSummary,
}

/// The lines of generation.
pub(super) fn all_lines(report: &Report) -> Vec<Series<'_>> {
    lines(report, |lines| lines.generation, Of::Total)
}

/// The panels, without those that have nothing to show, and how to read them.
pub(super) fn panels(all: &[Series<'_>]) -> (Vec<Panel>, String) {
    let known: Vec<(&Series<'_>, Vec<Measured>)> = all.iter().map(|line| (line, measured(line))).collect();
    let points = || known.iter().flat_map(|(_, points)| points);
    let times = || points().flat_map(|point| PANELS.map(|shown| ms((shown.time)(&point.steps))));
    let (least, most) = (times().fold(f64::INFINITY, f64::min), times().fold(0.0, f64::max));
    let extent = extent(&all.iter().collect::<Vec<_>>());
    let y = Axis::zoomed(times(), most > LOG_FROM * least);
    let Some((y, extent)) = y.zip(extent) else { return (Vec::new(), String::new()) };
    let x = SpeedScale::of(&[extent]).axis(extent.fastest);
    let panels = PANELS.iter().map(|shown| panel(shown, &known, &x, &y)).collect();
    let log = if y.is_log() { " Log scale of times." } else { "" };
    let caption = format!(
        "Number at a point: sequences. To the right: more tokens per second together; further up: each user waits longer \
         for a token.{log}"
    );
    (panels, caption)
}

fn measured(line: &Series<'_>) -> Vec<Measured> {
    let point = |spot: &Spot<'_>| {
        Some(Measured { n_parallel: spot.at, speed: speed(spot)?.mean, steps: summary(spot)? })
    };
    line.spots.iter().filter_map(point).collect()
}

fn panel(shown: &Shown, known: &[(&Series<'_>, Vec<Measured>)], x: &Axis, y: &Axis) -> Panel {
    let mut marks = Vec::new();
    for (n_line, (line, points)) in known.iter().enumerate() {
        let places: Vec<Point> =
            points.iter().map(|point| (point.speed, ms((shown.time)(&point.steps)))).collect();
        if places.len() > 1 {
            marks.push(Mark::Line { points: places.clone(), ink: line.ink, width: 2.0, opacity: 1.0 });
        }
        let first_labelled = if known.len() > MOST_LABELLED { places.len().saturating_sub(1) } else { 0 };
        for (i, (at, point)) in places.into_iter().zip(points).enumerate() {
            marks.push(Mark::Marker { at, shape: line.shape, ink: line.ink });
            if i >= first_labelled {
                let text = point.n_parallel.to_string();
                // Two lines have their numbers on either side.
                let (by, anchor) = match n_line % 2 {
                    0 => ((5.0, 0.75 * LINE), Anchor::Start),
                    _ => ((-5.0, -0.5 * LINE), Anchor::End),
                };
                marks.push(Mark::Label { at, by, anchor, text, ink: line.ink });
            }
        }
    }
    let mut tests: Vec<String> = known.iter().map(|(line, _)| line.kind.to_string()).collect();
    tests.dedup();
    Panel {
        heading: match &tests[..] {
            [test] => format!("{}, {test}", shown.heading),
            _ => shown.heading.to_owned(),
        },
        note: "ms; a step is one token of each sequence".to_owned(),
        description: known
            .iter()
            .map(|(line, points)| describe(shown, line, points))
            .collect::<Vec<_>>()
            .join(" "),
        x: x.clone(),
        x_name: "tokens per second, all sequences",
        y: y.clone(),
        right: RIGHT,
        marks,
    }
}

/// The figures of a line in one sentence.
fn describe(shown: &Shown, line: &Series<'_>, points: &[Measured]) -> String {
    let figures = points.iter().map(|point| {
        let time = figure(ms((shown.time)(&point.steps)));
        format!("{} t/s and {time} ms {}", figure(point.speed), with(point.n_parallel))
    });
    let failed = line.spots.iter().filter_map(|spot| {
        let failure = spot.failure()?;
        Some(format!("failed ({}) {}", clean(failure.kind.as_str()), with(spot.at)))
    });
    format!("{}, {}", shown.heading, line.sentence(figures.chain(failed)))
}
