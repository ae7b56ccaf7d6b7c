//! The time of single generated tokens: for each depth how they are spread, with the median and the 99th percentile.

use std::time::Duration;

use super::{
    axis::Axis,
    density::density,
    depth::MOST_BANDS,
    panel::{Anchor, LINE, Mark, Panel, Point, RIGHT, width_of},
    series::{Series, Spot, clean},
    speed::figure,
    theme::Ink,
};
use crate::{record::Measured, stats::StepSummary};

/// With fewer tokens their times are shown one by one.
const DENSITY_FROM: usize = 20;
/// From this ratio of the longest to the shortest step on the scale is logarithmic.
pub(super) const LOG_FROM: f64 = 6.0;
/// Room for a figure, in units.
const FIGURE: f64 = 34.0;
/// The share of the axis below which two points look like one.
const RESOLUTION: f64 = 0.004;

/// The steps of one cell, at a place on the lower axis.
struct Column<'a> {
    at: f64,
    half_width: f64,
    /// Ascending, in milliseconds.
    steps: Vec<f64>,
    summary: StepSummary,
    series: &'a Series<'a>,
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Of all runs together.
pub(super) fn summary(spot: &Spot<'_>) -> Option<StepSummary> {
    StepSummary::new(samples(spot).map(|sample| &sample.steps[..]))
}

fn samples<'a>(spot: &'a Spot<'_>) -> impl Iterator<Item = &'a crate::record::Sample> {
    spot.cells.iter().filter_map(|cell| cell.measured()).flat_map(|Measured { samples, .. }| samples)
}

fn steps(spot: &Spot<'_>) -> Option<(Vec<f64>, StepSummary)> {
    let summary = summary(spot)?;
    let mut steps: Vec<f64> = samples(spot).flat_map(|sample| &sample.steps).copied().map(ms).collect();
    steps.sort_by(f64::total_cmp);
    Some((steps, summary))
}

/// The panels, one per length of generation, without those that have nothing to show, and how to read them.
pub(super) fn panels(series: &[Series<'_>]) -> (Vec<Panel>, String) {
    let generation: Vec<&Series<'_>> = series.iter().filter(|line| line.kind.is_generation()).collect();
    let mut tests: Vec<&str> = generation.iter().map(|line| line.test.as_str()).collect();
    tests.sort_unstable();
    tests.dedup();
    let of = |test: &str| generation.iter().filter(|line| line.test == test).copied().collect::<Vec<_>>();
    let all: Vec<(&str, Vec<&Series<'_>>)> = tests.iter().map(|&test| (test, of(test))).collect();
    let is_crowd = all.iter().any(|(_, lines)| lines.len() > MOST_BANDS);
    // Milliseconds are milliseconds: every panel has the same axis.
    let spots = || generation.iter().flat_map(|line| &line.spots);
    let ends = spots().filter_map(steps).filter_map(|(steps, summary)| {
        let ends = (*steps.first()?, *steps.last()?);
        Some(if is_crowd { (ms(summary.p50), ms(summary.p99)) } else { ends })
    });
    let ends: Vec<(f64, f64)> = ends.collect();
    let least = ends.iter().map(|ends| ends.0).fold(f64::INFINITY, f64::min);
    let most = ends.iter().map(|ends| ends.1).fold(0.0, f64::max);
    let all_ends = ends.iter().flat_map(|&(from, to)| [from, to]);
    let Some(y) = Axis::zoomed(all_ends, most > LOG_FROM * least) else { return (Vec::new(), String::new()) };
    let panels = all.iter().filter_map(|(test, lines)| panel(lines, test, &y, is_crowd));
    (panels.collect(), caption(is_crowd, y.is_log()))
}

fn caption(is_crowd: bool, is_log: bool) -> String {
    let marks = if is_crowd {
        "Marker: median; upper end of the line: 99 % take no longer."
    } else {
        "Bar: median; tick: 99 % take no longer; outline: how the times are spread."
    };
    format!("{marks}{}", if is_log { " Log scale." } else { "" })
}

fn panel(lines: &[&Series<'_>], test: &str, y: &Axis, is_crowd: bool) -> Option<Panel> {
    let mut depths: Vec<u32> = lines.iter().flat_map(|line| &line.spots).map(|spot| spot.at).collect();
    depths.sort_unstable();
    depths.dedup();
    let slot = Panel::inner_size(RIGHT).0 / depths.len() as f64;
    // Room for figures on the right of each column, or none.
    let with_figures = lines.len() == 1 && slot > 2.0 * FIGURE;
    let (shift, half_width) = if with_figures {
        (-0.45 * FIGURE / slot, (0.45 - 0.5 * FIGURE / slot).min(0.2))
    } else {
        (0.0, 0.39 / lines.len() as f64)
    };
    let share = 0.84 / lines.len() as f64;
    let place = |depth: u32, n_line: usize| {
        let slot = depths.binary_search(&depth).unwrap_or_default() as f64;
        slot + share * (n_line as f64 - (lines.len() - 1) as f64 / 2.0) + shift
    };
    let mut columns = Vec::new();
    for (n_line, line) in lines.iter().enumerate() {
        for spot in &line.spots {
            let Some((steps, summary)) = steps(spot) else { continue };
            let at = place(spot.at, n_line);
            columns.push(Column { at, half_width, steps, summary, series: line });
        }
    }
    if columns.is_empty() {
        return None;
    }
    let names: Vec<String> = depths.iter().map(u32::to_string).collect();
    let widest = names.iter().map(|name| width_of(name)).fold(0.0, f64::max) + 8.0;
    let x = Axis::places(&names, (Panel::inner_size(RIGHT).0 / widest) as usize);

    let mut marks = Vec::new();
    for column in &columns {
        if is_crowd {
            push_range(&mut marks, column);
        } else {
            push_column(&mut marks, column, y, slot);
        }
    }
    if with_figures && !is_crowd {
        label(&mut marks, &columns, y);
    }
    for (n_line, line) in lines.iter().enumerate() {
        for spot in &line.spots {
            let Some(failure) = spot.failure() else { continue };
            let x_at = place(spot.at, n_line);
            marks.push(Mark::Cross { x: x_at, above: 0.0, ink: line.ink });
            if lines.len() == 1 && slot > width_of(failure.kind.as_str()) {
                let text = clean(failure.kind.as_str());
                let at = (x_at, f64::NEG_INFINITY);
                marks.push(Mark::Label {
                    at,
                    by: (0.0, -22.0),
                    anchor: Anchor::Middle,
                    text,
                    ink: Ink::Warning,
                });
            }
        }
    }
    let n_steps: Vec<usize> = columns.iter().map(|column| column.summary.n_steps).collect();
    Some(Panel {
        heading: format!("Time per token, {test}"),
        note: note(&n_steps),
        description: lines.iter().map(|line| describe(line)).collect::<Vec<_>>().join(" "),
        x,
        x_name: "tokens in the context",
        y: y.clone(),
        right: RIGHT,
        marks,
    })
}

fn note(n_steps: &[usize]) -> String {
    match (n_steps.iter().min(), n_steps.iter().max()) {
        (Some(least), Some(most)) if least == most => format!("ms, {most} tokens each"),
        (Some(least), Some(most)) => format!("ms, {least} to {most} tokens each"),
        _ => "ms".to_owned(),
    }
}

/// The figures of a line in one sentence.
fn describe(line: &Series<'_>) -> String {
    let figures = line.spots.iter().filter_map(|spot| {
        let StepSummary { p50, p99, .. } = summary(spot)?;
        let (p50, p99) = (figure(ms(p50)), figure(ms(p99)));
        Some(format!("median {p50} ms and 99th percentile {p99} ms at depth {}", spot.at))
    });
    line.sentence(figures)
}

/// From the median to the 99th percentile: among many lines an outline is too narrow to be read.
fn push_range(marks: &mut Vec<Mark>, column: &Column<'_>) {
    let (p50, p99) = (ms(column.summary.p50), ms(column.summary.p99));
    let (at, ink) = (column.at, column.series.ink);
    marks.push(Mark::Line { points: vec![(at, p50), (at, p99)], ink, width: 1.0, opacity: 0.7 });
    marks.push(Mark::Marker { at: (at, p50), shape: column.series.shape, ink });
}

fn push_column(marks: &mut Vec<Mark>, column: &Column<'_>, y: &Axis, slot: f64) {
    let Column { at, half_width, steps, summary, series } = column;
    let (Some(&least), Some(&most)) = (steps.first(), steps.last()) else { return };
    let across = |value: f64, half: f64| vec![(at - half, value), (at + half, value)];
    let ink = series.ink;
    let from_to = vec![(*at, least), (*at, most)];
    marks.push(Mark::Line { points: from_to, ink, width: 1.0, opacity: 0.6 });
    if steps.len() < DENSITY_FROM {
        for &step in steps {
            marks.push(Mark::Line { points: across(step, half_width * 0.35), ink, width: 1.0, opacity: 0.5 });
        }
    } else {
        let outline = outline(steps, y);
        let right = outline.iter().map(|(value, share)| (at + half_width * share, *value));
        let left = outline.iter().rev().map(|(value, share)| (at - half_width * share, *value));
        let outline: Vec<Point> = right.chain(left).collect();
        marks.push(Mark::Area { outline, ink, opacity: 0.3 });
    }
    let half = bar(*half_width, slot);
    marks.push(Mark::Line { points: across(ms(summary.p99), half * 0.5), ink, width: 1.5, opacity: 1.0 });
    marks.push(Mark::Line { points: across(ms(summary.p50), half), ink, width: 2.5, opacity: 1.0 });
}

/// The outline of a violin on the scale of the axis, as (milliseconds, share of the highest density).
fn outline(steps: &[f64], y: &Axis) -> Vec<(f64, f64)> {
    if !y.is_log() {
        return density(steps, (y.high() - y.low()) * RESOLUTION);
    }
    let logarithms: Vec<f64> = steps.iter().map(|step| step.ln()).collect();
    let outline = density(&logarithms, (y.high() / y.low()).ln() * RESOLUTION);
    outline.into_iter().map(|(value, share)| (value.exp(), share)).collect()
}

/// The two figures on the right of each column.
fn label(marks: &mut Vec<Mark>, columns: &[Column<'_>], y: &Axis) {
    for column in columns {
        let (p50, p99) = (ms(column.summary.p50), ms(column.summary.p99));
        let mut push = |value: f64, dy: f64, ink| {
            let (at, by) = ((column.at + column.half_width, value), (4.0, dy));
            marks.push(Mark::Label { at, by, anchor: Anchor::Start, text: figure(value), ink });
        };
        push(p50, 0.0, Ink::Text);
        if figure(p99) != figure(p50) {
            // A line above the median at least.
            let above = (y.fraction(p99) - y.fraction(p50)) * Panel::inner_size(RIGHT).1;
            push(p99, (above - LINE).min(0.0), Ink::Muted);
        }
    }
}

/// Half the length of a median's bar: over the whole width of a lone column it would be a beam.
fn bar(half_width: f64, slot: f64) -> f64 {
    half_width.min(22.0 / slot)
}
