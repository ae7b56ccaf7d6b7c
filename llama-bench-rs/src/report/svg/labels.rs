//! The figures beside the lines of a panel.

use super::{
    axis::Axis,
    depth::{cross_height, stretches},
    panel::{Anchor, LINE, Mark, Panel, Point, RIGHT, RIGHT_WITH_FIGURES, shortened, width_of},
    series::{Series, Spot, clean},
    speed::{Speed, figure, speed},
    theme::Ink,
};
use crate::{stats::Fall, units::Change};

/// Figures above the points of a line on its own: the first, the last with the change from the first, and those
/// between that have room.
pub(super) fn label_points(marks: &mut Vec<Mark>, line: &Series<'_>, x: &Axis, y: &Axis) {
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
    let change = sure_change(line);
    let labels = known.iter().enumerate().map(|(i, &(depth, speed))| {
        let (is_first, is_last) = (i == 0, i + 1 == known.len());
        let text = match change.filter(|_| is_last && depth > first.0) {
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

/// The least distance from the top of a line between two places; infinite without a line.
fn highest(points: &[Point], from: f64, to: f64) -> f64 {
    let at = |x: f64, a: Point, b: Point| a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0);
    let crossed = points
        .windows(2)
        .filter(|pair| pair[0].0 < to && pair[1].0 > from)
        .flat_map(|pair| [from.max(pair[0].0), to.min(pair[1].0)].map(|x| at(x, pair[0], pair[1])));
    crossed.fold(f64::INFINITY, f64::min)
}

/// From the first figure of a line to its last; `None` if there is no sure difference, as the sentences decide it.
fn sure_change(line: &Series<'_>) -> Option<Change> {
    let mut spots = line.spots.iter().filter_map(|spot| Some((spot, speed(spot)?)));
    let (first, last) = (spots.next()?, spots.next_back()?);
    let samples = |spot: &Spot<'_>| match spot.cells[..] {
        [cell] => cell.rate_samples(),
        _ => None,
    };
    if let (Some(before), Some(after)) = (samples(first.0), samples(last.0)) {
        return Fall::of_samples(&before, &after)
            .filter(|fall| fall.is_sure() != Some(false))
            .map(|fall| fall.change);
    }
    let is_noise = match (first.1.interval, last.1.interval) {
        (Some((a_low, a_high)), Some((b_low, b_high))) => a_low <= b_high && b_low <= a_high,
        _ => false,
    };
    Change::new(last.1.mean / first.1.mean - 1.0).filter(|_| !is_noise)
}

/// In percent with its sign.
fn signed(change: Change) -> String {
    format!("{change:.0}")
}

/// The last figure of each of several lines, on the right of its point and clear of the others.
pub(super) fn label_ends(marks: &mut Vec<Mark>, lines: &[&Series<'_>], y: &Axis) {
    let height = Panel::inner_size(RIGHT_WITH_FIGURES).1;
    let last = |line: &&Series<'_>| {
        let spots = line.spots.iter().rev();
        let known = spots.filter_map(|spot| Some((f64::from(spot.at), speed(spot)?.mean)));
        known.map(|at| (at, line.ink)).next()
    };
    let mut ends: Vec<(Point, Ink)> = lines.iter().filter_map(last).collect();
    ends.sort_by(|a, b| b.0.1.total_cmp(&a.0.1));
    // If labels would overlap, a heap of them is centred on its points.
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
pub(super) fn label_failures(marks: &mut Vec<Mark>, lines: &[&Series<'_>], x: &Axis) {
    let mut told: Vec<&str> = Vec::new();
    for spot in lines.iter().flat_map(|line| &line.spots) {
        let Some(failure) = spot.failure().filter(|failure| !told.contains(&failure.kind.as_str())) else {
            continue;
        };
        told.push(failure.kind.as_str());
        let place = f64::from(spot.at);
        let (anchor, dx) = if x.fraction(place) < 0.5 { (Anchor::Start, -4.0) } else { (Anchor::End, 4.0) };
        let above = 22.0 + cross_height(lines.len().saturating_sub(1)) + (told.len() - 1) as f64 * LINE;
        marks.push(Mark::Label {
            at: (place, f64::NEG_INFINITY),
            by: (dx, -above),
            anchor,
            text: shortened(
                &format!("failed: {}", clean(failure.kind.as_str())),
                Panel::inner_size(RIGHT).0 / 2.0,
            ),
            ink: Ink::Warning,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        record::{Cell, Measured, Outcome, Sample, Test, TestKind},
        report::svg::panel::Shape,
    };

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

    /// A line of two depths, with the repetitions of each of its runs in milliseconds.
    fn change(before: &[&[u64]], after: &[&[u64]]) -> Option<String> {
        let cell = |ms: &&[u64]| {
            let sample = |ms: &u64| Sample { elapsed: Duration::from_millis(*ms), ..Sample::default() };
            let measured = Measured { samples: ms.iter().map(sample).collect(), ..Measured::default() };
            let test = Test::from(TestKind::Tg(32));
            Cell { test, started_at: String::new(), outcome: Outcome::Measured(measured) }
        };
        let cells: [Vec<Cell>; 2] = [before, after].map(|runs| runs.iter().map(cell).collect());

        let line = Series {
            name: String::new(),
            runs: Vec::new(),
            test: "tg32".into(),
            kind: TestKind::Tg(32),
            spots: (0..)
                .zip(&cells)
                .map(|(i, cells)| Spot { at: 512 * i, over: 1, cells: cells.iter().collect() })
                .collect(),
            ink: Ink::Text,
            shape: Shape::ALL[0],
            shows_fill: false,
        };
        sure_change(&line).map(signed)
    }

    #[test]
    fn a_change_is_written_only_if_it_is_sure() {
        assert_eq!(change(&[&[100, 101, 99]], &[&[200, 202, 198]]).as_deref(), Some("-50 %"));
        assert_eq!(change(&[&[100, 300, 90]], &[&[200, 150, 600]]), None, "noise");
        let runs: [&[u64]; 3] = [&[100, 101], &[101, 102], &[99, 100]];
        let slower: [&[u64]; 3] = [&[200, 201], &[202, 203], &[198, 199]];
        let wild: [&[u64]; 3] = [&[90, 91], &[400, 401], &[100, 101]];
        assert_eq!(change(&runs, &slower).as_deref(), Some("-50 %"));
        assert_eq!(change(&runs, &wild), None, "noise between runs");
        assert_eq!(
            change(&[&[100]], &[&[200]]).as_deref(),
            Some("-50 %"),
            "of one repetition nothing is known"
        );
    }

    #[test]
    fn changes_have_their_sign() {
        assert_eq!(signed(Change::new(0.157).unwrap()), "+16 %");
        assert_eq!(signed(Change::new(-0.453).unwrap()), "-45 %");
    }
}
