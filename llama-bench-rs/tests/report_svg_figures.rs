//! Positions in a picture: marks are read back by the picture's own axes and compared with the report.

mod report_support;

use std::collections::BTreeMap;

use llama_bench_rs::{
    record::{Cell, Outcome, Report, TestKind},
    report::svg::{Picture, draw},
};
use report_support::{failed, reference};
use roxmltree::{Document, Node};

/// A linear axis from its labelled ticks: pixels and values.
struct Axis(Vec<(f64, f64)>);

impl Axis {
    fn value_at(&self, pixel: f64) -> f64 {
        let [(p0, v0), .., (p1, v1)] = self.0[..] else { panic!("an axis has two ticks: {:?}", self.0) };
        v0 + (pixel - p0) * (v1 - v0) / (p1 - p0)
    }

    /// The value of a pixel, which is the error of what is read back.
    fn resolution(&self) -> f64 {
        (self.value_at(1.0) - self.value_at(0.0)).abs()
    }
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {node:?}"))
}

fn of_kind<'a>(panel: Node<'a, 'a>, tag: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    panel.descendants().filter(move |node| node.tag_name().name() == tag)
}

/// The pictures within the picture: one for each kind of test, or for each test.
fn panels<'a>(document: &'a Document<'a>) -> Vec<Node<'a, 'a>> {
    of_kind(document.root_element(), "svg").skip(1).collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().trim().to_owned()
}

/// Labels of ticks have only a number, and hang under the x axis or end before the y axis.
fn axis(panel: Node<'_, '_>, along: &str, (name, value): (&str, &str)) -> Axis {
    let labels = of_kind(panel, "text").filter(|node| node.attribute(name) == Some(value));
    Axis(labels.filter_map(|node| Some((number(node, along), text(node).parse().ok()?))).collect())
}

fn x_axis(panel: Node<'_, '_>) -> Axis {
    axis(panel, "x", ("dy", "0.76em"))
}

fn y_axis(panel: Node<'_, '_>) -> Axis {
    axis(panel, "y", ("text-anchor", "end"))
}

fn cells(report: &Report, run: usize, is_generation: bool) -> Vec<&Cell> {
    let cells = report.runs[run].cells.iter().filter(|cell| cell.measured().is_some());
    cells.filter(|cell| matches!(cell.test.kind, TestKind::Tg(_)) == is_generation).collect()
}

/// Points of each class of colour: tokens in the context and speed.
fn points(panel: Node<'_, '_>) -> BTreeMap<String, Vec<(f64, f64)>> {
    let (x, y) = (x_axis(panel), y_axis(panel));
    let mut points: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for circle in of_kind(panel, "circle") {
        let at = (x.value_at(number(circle, "cx")), y.value_at(number(circle, "cy")));
        points.entry(circle.attribute("class").unwrap().to_owned()).or_default().push(at);
    }
    points
}

/// Two runs in one picture; the second has fewer cells and is slower.
fn two_runs() -> Report {
    let mut report = reference();
    let mut second = report.runs[0].clone();
    second.header.config.n_ubatch = Some(512);
    second.cells.truncate(6);
    for cell in &mut second.cells {
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("every cell is measured") };
        measured.samples.iter_mut().for_each(|sample| sample.elapsed = sample.elapsed * 5 / 4);
    }
    report.runs.push(second);
    report
}

#[test]
fn every_mean_stands_at_its_depth_and_speed() {
    let mut report = two_runs();
    // A cell without a speed has no point.
    report.runs[1].cells.push(failed(TestKind::Pp(2048), 32_768));
    let svg = draw(&report, Picture::Depth).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let panels = panels(&document);
    assert_eq!(panels.len(), 2);
    for (panel, is_generation) in panels.into_iter().zip([false, true]) {
        let (x, y) = (x_axis(panel).resolution(), y_axis(panel).resolution());
        let drawn = points(panel);
        assert_eq!(drawn.len(), 2, "a colour for each run");
        for (run, drawn) in drawn.values().enumerate() {
            let expected = cells(&report, run, is_generation);
            assert_eq!(drawn.len(), expected.len());
            for (&(depth, speed), cell) in drawn.iter().zip(expected) {
                let mean = cell.rate_summary().unwrap().mean.get();
                assert!((depth - f64::from(cell.test.n_depth)).abs() <= 1.5 * x, "{}: at {depth}", cell.test);
                assert!((speed - mean).abs() <= 1.5 * y, "{}: {speed} instead of {mean}", cell.test);
            }
        }
    }
}

#[test]
fn a_band_is_the_interval_of_each_mean() {
    let report = reference();
    let svg = draw(&report, Picture::Depth).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    for (panel, is_generation) in panels(&document).into_iter().zip([false, true]) {
        let band = of_kind(panel, "polygon").next().unwrap().attribute("points").unwrap().to_owned();
        let y = y_axis(panel);
        let heights: Vec<f64> = band
            .split_whitespace()
            .map(|point| y.value_at(point.split_once(',').unwrap().1.parse().unwrap()))
            .collect();
        let cells = cells(&report, 0, is_generation);
        // Along the lower ends, and back along the upper ones.
        assert_eq!(heights.len(), 2 * cells.len());
        for (i, cell) in cells.iter().enumerate() {
            let interval = cell.rate_summary().unwrap().ci95.unwrap();
            let (lower, upper) = (heights[i], heights[heights.len() - 1 - i]);
            let is_near = |drawn: f64, end: f64| (drawn - end).abs() <= 1.5 * y.resolution();
            assert!(
                is_near(lower, interval.lower().unwrap().get()),
                "{}: {lower} and {interval:?}",
                cell.test
            );
            assert!(is_near(upper, interval.upper().get()), "{}: {upper} and {interval:?}", cell.test);
        }
    }
}

#[test]
fn the_time_of_a_token_stands_at_its_median() {
    let report = reference();
    let svg = draw(&report, Picture::Latency).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let panel = panels(&document)[0];
    let y = y_axis(panel);
    // The thickest lines are the medians, from left to right.
    let medians: Vec<f64> = of_kind(panel, "polyline")
        .filter(|line| line.attribute("stroke-width") == Some("10"))
        .map(|line| {
            let points = line.attribute("points").unwrap();
            y.value_at(points.split([',', ' ']).nth(1).unwrap().parse().unwrap())
        })
        .collect();
    let cells = cells(&report, 0, true);
    assert_eq!(medians.len(), cells.len());
    for (drawn, cell) in medians.iter().zip(cells) {
        let mut steps: Vec<f64> = cell
            .measured()
            .unwrap()
            .samples
            .iter()
            .flat_map(|sample| sample.steps.iter().map(|step| step.as_secs_f64() * 1e3))
            .collect();
        steps.sort_by(f64::total_cmp);
        let median = f64::midpoint(steps[steps.len() / 2 - 1], steps[steps.len() / 2]);
        assert!((drawn - median).abs() <= 1.5 * y.resolution(), "{}: {drawn} and {median} ms", cell.test);
    }
}

#[test]
fn a_bar_is_as_long_as_its_label_says() {
    let svg = draw(&two_runs(), Picture::Bars).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let panels = panels(&document);
    assert_eq!(panels.len(), 4, "pp and tg, at the first and at the last depth");
    let mut n_pairs = 0;
    for panel in panels {
        let bars: Vec<f64> = of_kind(panel, "rect").map(|bar| number(bar, "width")).collect();
        let labels: Vec<f64> = of_kind(panel, "text").filter_map(|node| text(node).parse().ok()).collect();
        assert_eq!(bars.len(), labels.len(), "{labels:?}");
        if let ([fast, slow], [fast_label, slow_label]) = (&bars[..], &labels[..]) {
            // The second run takes a quarter longer.
            assert!((slow / fast - 0.8).abs() < 0.005, "{bars:?}");
            assert!((slow_label / fast_label - 0.8).abs() < 0.005, "{labels:?}");
            n_pairs += 1;
        }
    }
    assert_eq!(n_pairs, 2, "the second run has no cell at the last depth");
}
