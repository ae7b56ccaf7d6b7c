//! The pictures by number of sequences: their words, and where their marks lie.

mod report_support;

use std::collections::BTreeSet;

use llama_bench_rs::{
    record::{Report, Test, pp, tg},
    report::svg::{DrawError, Picture, draw},
};
use report_support::{levels, reference};
use roxmltree::{Document, Node};

const LEVELS: [u32; 5] = [1, 2, 4, 8, 16];

fn svg(report: &Report, picture: Picture) -> String {
    draw(report, picture).unwrap().to_svg()
}

fn of_kind<'a>(panel: Node<'a, 'a>, tag: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    panel.descendants().filter(move |node| node.tag_name().name() == tag)
}

/// The pictures within the picture.
fn panels<'a>(document: &'a Document<'a>) -> Vec<Node<'a, 'a>> {
    of_kind(document.root_element(), "svg").skip(1).collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.text().unwrap_or_default().trim().to_owned()
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {node:?}"))
}

/// Places and values of the ticks of an axis.
fn ticks(panel: Node<'_, '_>, along: &str, (name, value): (&str, &str)) -> Vec<(f64, f64)> {
    let labels = of_kind(panel, "text").filter(|node| node.attribute(name) == Some(value));
    labels.filter_map(|node| Some((number(node, along), text(node).parse().ok()?))).collect()
}

fn below(panel: Node<'_, '_>) -> Vec<(f64, f64)> {
    ticks(panel, "x", ("dy", "0.76em"))
}

fn beside(panel: Node<'_, '_>) -> Vec<(f64, f64)> {
    ticks(panel, "y", ("text-anchor", "end"))
}

/// The value at a place of a linear axis, and that of one place.
fn read(ticks: &[(f64, f64)], place: f64) -> (f64, f64) {
    let [(p0, v0), .., (p1, v1)] = *ticks else { panic!("an axis has two ticks: {ticks:?}") };
    let by = (v1 - v0) / (p1 - p0);
    (v0 + (place - p0) * by, by.abs())
}

fn total(report: &Report, test: Test) -> f64 {
    report.cell_of(test).unwrap().rate_summary().unwrap().mean.get()
}

#[test]
fn total_and_each_stand_at_their_number_of_sequences() {
    let mut report = levels::levels();
    report.runs[0].cells.retain(|cell| cell.test.n_depth == 0);
    let svg = svg(&report, Picture::Parallel);
    let document = Document::parse(&svg).unwrap();
    let panels = panels(&document);
    let shown = [(pp(512), 1), (pp(512), 0), (tg(32), 1), (tg(32), 0)];
    assert_eq!(panels.len(), shown.len());
    for (panel, (test, is_total)) in panels.into_iter().zip(shown) {
        let (x, y) = (below(panel), beside(panel));
        assert_eq!(x.iter().map(|(_, n)| *n as u32).collect::<Vec<_>>(), LEVELS, "each number is a tick");
        let points: Vec<(f64, f64)> =
            of_kind(panel, "circle").map(|circle| (number(circle, "cx"), number(circle, "cy"))).collect();
        assert_eq!(points.len(), LEVELS.len());
        for (((left, top), n), (tick, _)) in points.into_iter().zip(LEVELS).zip(x) {
            // Markers and labels are rounded apart.
            assert!((left - tick).abs() <= 2.0, "{n} sequences at {left} instead of {tick}");
            let over = if is_total == 1 { 1.0 } else { f64::from(n) };
            let expected = total(&report, test.parallel(n)) / over;
            let (drawn, resolution) = read(&y, top);
            assert!(
                (drawn - expected).abs() <= 1.5 * resolution,
                "{test} x{n}: {drawn} instead of {expected}"
            );
        }
    }
}

#[test]
fn each_depth_is_a_line_and_the_words_have_its_figures() {
    let drawing = draw(&levels::levels(), Picture::Parallel).unwrap();
    let described = drawing.description();
    for expected in [
        "pp512, all sequences (depth 0): 10150 t/s with 1 sequence, 13200 t/s with 2 sequences,",
        "tg32, all sequences (depth 4096): 242 t/s with 1 sequence,",
        "tg32, each sequence (depth 4096): 242 t/s with 1 sequence, 201 t/s with 2 sequences, 147 t/s with 4 sequences,",
    ] {
        assert!(described.contains(expected), "{expected:?} is not in {described}");
    }
    let svg = drawing.to_svg();
    let document = Document::parse(&svg).unwrap();
    let texts: Vec<String> = of_kind(document.root_element(), "text").map(text).collect();
    for expected in
        ["Speed by number of sequences", "depth 0", "depth 4096", "Token generation, tg32, each sequence"]
    {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not among {texts:?}");
    }
    assert!(texts.iter().any(|text| text.contains("95 % interval within a run")), "{texts:?}");
}

#[test]
fn latency_stands_against_throughput() {
    let mut report = levels::levels();
    report.runs[0].cells.retain(|cell| cell.test.n_depth == 4096);
    let svg = svg(&report, Picture::Tradeoff);
    let document = Document::parse(&svg).unwrap();
    let panels = panels(&document);
    assert_eq!(panels.len(), 2, "the median and the 99th percentile");
    for (panel, quantile) in panels.into_iter().zip([0.5, 0.99]) {
        let (x, y) = (below(panel), beside(panel));
        let points: Vec<(f64, f64)> =
            of_kind(panel, "circle").map(|circle| (number(circle, "cx"), number(circle, "cy"))).collect();
        assert_eq!(points.len(), LEVELS.len());
        for ((left, top), n) in points.into_iter().zip(LEVELS) {
            let test = tg(32).parallel(n).at(4096);
            let ((speed, off), expected) = (read(&x, left), total(&report, test));
            assert!((speed - expected).abs() <= 1.5 * off, "{test}: {speed} instead of {expected} t/s");
            let steps = report.cell_of(test).unwrap().step_summary().unwrap();
            let expected = if quantile < 0.9 { steps.p50 } else { steps.p99 }.as_secs_f64() * 1e3;
            let (ms, off) = read(&y, top);
            assert!((ms - expected).abs() <= 1.5 * off, "{test}: {ms} instead of {expected} ms");
        }
        let labels: BTreeSet<String> = of_kind(panel, "text").map(text).collect();
        assert!(LEVELS.iter().all(|n| labels.contains(&n.to_string())), "{labels:?}");
    }
    let described = draw(&report, Picture::Tradeoff).unwrap().description();
    assert!(
        described
            .starts_with("Median time per token, tg32, all sequences: 242 t/s and 4.01 ms with 1 sequence,"),
        "{described}"
    );
}

#[test]
fn a_level_that_failed_is_marked_with_its_reason() {
    let mut report = levels::levels();
    report.runs[0].cells.push(levels::too_large(tg(32).parallel(32).at(4096)));
    for picture in [Picture::Parallel, Picture::Tradeoff] {
        let drawing = draw(&report, picture).unwrap();
        assert!(
            drawing.description().contains("failed (out_of_memory) with 32 sequences"),
            "{}",
            drawing.description()
        );
    }
    let svg = svg(&report, Picture::Parallel);
    let document = Document::parse(&svg).unwrap();
    let texts: Vec<String> = of_kind(document.root_element(), "text").map(text).collect();
    assert!(texts.contains(&"failed: out_of_memory".to_owned()), "{texts:?}");
    assert!(texts.contains(&"32".to_owned()), "it has a place on the axis: {texts:?}");
}

/// Of several configurations each has a colour, at the shallowest and at the deepest context.
#[test]
fn configurations_are_lines_of_their_own() {
    let mut report = levels::levels();
    let middle = report.runs[0].cells.clone().into_iter().filter(|cell| cell.test.n_depth == 4096);
    let middle: Vec<_> = middle
        .map(|mut cell| {
            cell.test.n_depth = 2048;
            cell
        })
        .collect();
    report.runs[0].cells.extend(middle);
    let mut second = report.runs[0].clone();
    second.header.config.n_ubatch = Some(1024);
    report.runs.push(second);
    let svg = svg(&report, Picture::Parallel);
    let document = Document::parse(&svg).unwrap();
    let texts: BTreeSet<String> = of_kind(document.root_element(), "text").map(text).collect();
    for expected in ["ub 512, depth 0", "ub 512, depth 4096", "ub 1024, depth 0", "ub 1024, depth 4096"] {
        assert!(texts.contains(expected), "{expected} is not among {texts:?}");
    }
    assert!(!texts.iter().any(|text| text.contains("depth 2048")), "{texts:?}");
}

/// Lines of another number of sequences are another speed.
#[test]
fn pictures_over_depths_keep_levels_apart() {
    let mut report = reference();
    let before = Picture::ALL[..2].iter().map(|&picture| draw(&report, picture).unwrap().description());
    let before: Vec<String> = before.collect();
    report.runs[0].cells.extend(LEVELS.map(|n| levels::cell(tg(32).parallel(2 * n), 100.0)));
    report.runs[0].cells.push(levels::cell(pp(2048).parallel(4).at(4096), 9000.0));
    let after = Picture::ALL[..2].iter().map(|&picture| draw(&report, picture).unwrap().description());
    assert_eq!(after.collect::<Vec<_>>(), before);
    assert!(svg(&report, Picture::Depth).contains("Of the fewest sequences"));
    // Without a single sequence the smallest number stands for the others, under its name.
    report.runs[0].cells.retain(|cell| cell.test.n_parallel > 1);
    let described = draw(&report, Picture::Depth).unwrap().description();
    assert!(described.contains("pp2048 x4: 9000 t/s at depth 4096"), "{described}");
    assert!(described.contains("tg32 x2: 100 t/s at depth 0"), "{described}");
}

#[test]
fn one_sequence_alone_has_no_picture_of_levels() {
    for picture in [Picture::Parallel, Picture::Tradeoff] {
        let error = draw(&reference(), picture).unwrap_err();
        assert!(
            matches!(error, DrawError::Nothing { .. }) && error.to_string().contains("-npl 1,2,4,8"),
            "{error}"
        );
    }
    assert_eq!(Picture::of(&reference()), Picture::Depth);
    assert_eq!(Picture::of(&levels::levels()), Picture::Parallel);
    let mut prompts = levels::levels();
    prompts.runs[0].cells.retain(|cell| cell.test.kind.is_prompt());
    assert!(draw(&prompts, Picture::Parallel).is_ok());
    assert!(matches!(draw(&prompts, Picture::Tradeoff), Err(DrawError::Nothing { .. })));
}
