//! The contents of pictures. `report_svg_figures` reads back the positions of their marks.

mod page_support;
mod report_support;

use llama_bench_rs::{
    record::{BlockKind, BlockTime, OperationTime, OperationTimes, Outcome, Profile, Report, TestKind, tg},
    report::svg::{DrawError, Picture, draw},
};
use page_support::many;
use report_support::{assorted, failed, levels, reference};
use roxmltree::{Document, Node};

fn svg(report: &Report, picture: Picture) -> String {
    draw(report, picture).unwrap().to_svg()
}

/// All texts of a picture that a reader sees.
fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap();
    let texts =
        document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.filter_map(|node| node.text()).map(|text| text.trim().to_owned()).collect()
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    node.children()
        .find(|child| child.tag_name().name() == name)
        .and_then(|child| child.text())
        .unwrap_or_default()
}

/// Two runs of the reference that differ in one setting.
fn two_runs() -> Report {
    let mut report = reference();
    let mut second = report.runs[0].clone();
    second.header.config.n_ubatch = Some(512);
    second.cells.truncate(6);
    report.runs.push(second);
    report
}

#[test]
fn figures_stand_at_their_points() {
    let texts = texts(&svg(&reference(), Picture::Depth));
    for expected in [
        "Prompt processing, pp2048",
        "tokens per second, mean of 5",
        "3714",
        "2029 (-45 %)",
        "90.1",
        "60.3 (-33 %)",
        "tokens in the context",
        "32768",
        "gpt-oss 20B Q4_K - Medium · NVIDIA GB10 · llama.cpp b6924 (5f4a7ef3)",
        "Band: 95 % interval within a run. Faint: while filling. One scale: equal heights are equal shares of each panel's \
         fastest.",
    ] {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not among {texts:?}");
    }
}

#[test]
fn chunks_that_warmed_up_are_not_drawn() {
    let mut report = reference();
    report.runs[0].curve.iter_mut().for_each(|point| point.warmup = true);
    let texts = texts(&svg(&report, Picture::Depth));
    let faint = |text: &&String| text.contains("hile filling");
    assert_eq!(texts.iter().find(faint), None);
}

/// The same with several sequences at once, for every picture to have something to show.
fn two_runs_of_levels() -> Report {
    let mut report = two_runs();
    for run in &mut report.runs {
        run.cells.extend([2, 4].map(|n| levels::cell(tg(32).parallel(n), 100.0 * f64::from(n))));
    }
    profiled(report)
}

/// With a profile of every test: attention takes a microsecond for each token of the depth.
fn profiled(mut report: Report) -> Report {
    for cell in report.runs.iter_mut().flat_map(|run| &mut run.cells) {
        let n_depth = u64::from(cell.test.n_depth);
        if let Outcome::Measured(measured) = &mut cell.outcome {
            let block = |kind, ms: u64| {
                let mut block = BlockTime::default();
                (block.kind, block.elapsed_ns) = (kind, Some(ms * 1_000_000));
                block
            };
            let mut profile = Profile::default();
            profile.n_tokens = 1;
            profile.plain_ns = vec![(60 + 1 + n_depth / 1000) * 1_000_000];
            profile.blocks = vec![
                block(BlockKind::Attention, n_depth / 1000),
                block(BlockKind::Experts, 50),
                block(BlockKind::Output, 10),
            ];
            let mut product = OperationTime::default();
            (product.op, product.data_type) = ("MUL_MAT_ID".into(), "mxfp4".into());
            (product.block, product.elapsed_ns) = (BlockKind::Experts, Some(40_000_000));
            let mut operations = OperationTimes::default();
            operations.operations = vec![product];
            profile.operations = Some(operations);
            measured.profile = Some(profile);
        }
    }
    report
}

#[test]
fn blocks_lie_on_each_other_with_their_sum_above() {
    let report = profiled(reference());
    let described = draw(&report, Picture::Profile).unwrap().description();
    assert!(
        described.contains(
            "pp2048 at depth 32768: attention 32.0 ms, rest 1.00 ms, output 10.0 ms, experts 50.0 ms."
        ),
        "{described}"
    );
    let texts = texts(&svg(&report, Picture::Profile));
    for expected in ["attention", "experts", "output", "rest", "61.0", "93.0", "34 %", "54 %", "ms per token"]
    {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not among {texts:?}");
    }
}

#[test]
fn a_flame_divides_a_repetition_and_its_blocks() {
    let report = profiled(reference());
    let texts = texts(&svg(&report, Picture::Flame));
    for expected in ["one repetition 93.0", "experts 50.0", "attention 32.0", "MUL_MAT_ID mxfp4 40.0"] {
        assert!(texts.iter().any(|text| text == expected), "{expected} is not among {texts:?}");
    }
    let error = draw(&reference(), Picture::Flame).unwrap_err().to_string();
    assert!(error.contains("measure with --profile"), "{error}");
}

#[test]
fn a_picture_scales_and_speaks() {
    for picture in Picture::ALL {
        let drawing = draw(&two_runs_of_levels(), picture).unwrap();
        let svg = drawing.to_svg();
        let document = Document::parse(&svg).unwrap();
        let root = document.root_element();
        assert!(root.has_attribute("viewBox"));
        assert_eq!((root.attribute("width"), root.attribute("height")), (None, None));
        assert_eq!(child(root, "title"), drawing.title());
        assert_eq!(child(root, "desc"), drawing.description());
        assert!(child(root, "style").contains("prefers-color-scheme:dark"));
    }
    let description = draw(&reference(), Picture::Depth).unwrap().description();
    assert!(description.starts_with("pp2048: 3714 t/s at depth 0, 3442 t/s at depth 4096,"), "{description}");
    let description = draw(&reference(), Picture::Latency).unwrap().description();
    assert!(
        description.starts_with("tg32: median 11.1 ms and 99th percentile 11.1 ms at depth 0,"),
        "{description}"
    );
}

/// Every colour is a class of a style sheet, so all of them suit light and dark backgrounds.
#[test]
fn every_shape_has_a_class() {
    for picture in Picture::ALL {
        let svg = svg(&two_runs_of_levels(), picture);
        let document = Document::parse(&svg).unwrap();
        for node in document.descendants().filter(Node::is_element) {
            let has_colour = |name| node.attribute(name).is_some_and(|value| value != "none");
            let painted = has_colour("fill") || has_colour("stroke");
            assert!(!painted || node.has_attribute("class"), "{node:?}");
        }
        assert!(!svg.contains("#0102"), "a stand-in colour is left");
    }
}

#[test]
fn bars_are_sorted_by_speed() {
    let mut report = many(3);
    report.runs.reverse();
    let description = draw(&report, Picture::Bars).unwrap().description();
    let names = llama_bench_rs::report::run_labels(&report);
    let at = |name: &String| description.find(name.as_str()).unwrap();
    assert!(at(&names[2]) < at(&names[1]) && at(&names[1]) < at(&names[0]), "{description}");
    assert!(description.starts_with("pp2048: 3719"), "{description}");
    for test in ["tg32:", "pp2048 @ d32768:", "tg32 @ d32768:"] {
        assert!(description.contains(test), "{test} is not in {description}");
    }
}

#[test]
fn a_configuration_that_failed_has_no_bar_and_says_why() {
    let mut report = many(2);
    report.runs[1].cells = vec![failed(TestKind::Pp(2048), 0)];
    let texts = texts(&svg(&report, Picture::Bars));
    assert!(texts.contains(&"failed: out_of_memory".to_owned()), "{texts:?}");
    assert!(texts.contains(&"not measured".to_owned()), "{texts:?}");
}

#[test]
fn bars_of_one_configuration_are_refused() {
    let error = draw(&reference(), Picture::Bars).unwrap_err().to_string();
    assert!(error.contains("compare configurations") && error.contains("depth"), "{error}");
}

/// Areas over each other become one colour that is none of theirs.
#[test]
fn many_lines_have_no_bands() {
    let n_bands = |report: &Report| {
        let svg = svg(report, Picture::Depth);
        let document = Document::parse(&svg).unwrap();
        document.descendants().filter(|node| node.attribute("opacity") == Some("0.18")).count()
    };
    assert_eq!([1, 3, 4, 12].map(|n| n_bands(&many(n))), [2, 6, 0, 0]);
    let texts = texts(&svg(&many(12), Picture::Depth));
    assert!(texts.iter().any(|text| text.contains("Whiskers: 95 % interval")), "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains("while filling")), "{texts:?}");
}

/// The heights of the labels of ticks, counted from the top of their panels.
fn heights(svg: &str, labels: [&str; 4]) -> [f64; 4] {
    let document = Document::parse(svg).unwrap();
    labels.map(|label| {
        let mut texts = document.descendants().filter(|node| node.tag_name().name() == "text");
        let text = texts.find(|node| node.text().is_some_and(|text| text.trim() == label));
        let y = text.and_then(|node| node.attribute("y")).unwrap_or_else(|| panic!("no tick {label}: {svg}"));
        y.parse().unwrap()
    })
}

/// The same share of the fastest, 3713.75 and 90.06, is as high in both panels.
#[test]
fn both_panels_have_one_scale() {
    let mut report = reference();
    // A chunk of the fill that was much faster needs room in one panel, and so has it in the other.
    report.runs[0].curve[0].elapsed /= 2;
    let places = heights(&svg(&report, Picture::Depth), ["2000", "4000", "50", "100"]);
    let (prefill, generation) =
        ((places[0] - places[1]) * 3713.75 / 2000.0, (places[2] - places[3]) * 90.06 / 50.0);
    assert!((prefill / generation - 1.0).abs() < 0.02, "{prefill} and {generation} for the fastest of each");
}

#[test]
fn the_legend_names_what_differs() {
    let texts = texts(&svg(&two_runs(), Picture::Depth));
    let legend: Vec<_> = texts.iter().filter(|text| text.starts_with("ub ")).collect();
    assert_eq!(legend, ["ub 2048", "ub 512"]);
}

#[test]
fn runs_that_do_not_differ_are_told_apart_by_their_number() {
    let mut report = reference();
    let mut second = report.runs[0].clone();
    second.header.timing.started_at = "2025-11-04T10:00:00Z".into();
    report.runs.push(second);
    let texts = texts(&svg(&report, Picture::Depth));
    let legend: Vec<_> = texts.iter().filter(|text| text.starts_with("run ")).collect();
    assert_eq!(legend, ["run 1 of 2", "run 2 of 2"]);
}

#[test]
fn a_failed_cell_is_marked_with_its_reason() {
    let mut report = reference();
    report.runs[0].cells.push(failed(TestKind::Pp(2048), 131_072));
    let texts = texts(&svg(&report, Picture::Depth));
    assert!(texts.contains(&"failed: out_of_memory".to_owned()), "{texts:?}");
    assert!(
        draw(&report, Picture::Depth)
            .unwrap()
            .description()
            .contains("failed (out_of_memory) at depth 131072")
    );
}

#[test]
fn odd_reports_are_drawn_too() {
    let of_one_sequence = [Picture::Depth, Picture::Latency, Picture::Bars];
    for picture in of_one_sequence {
        Document::parse(&svg(&assorted(), picture)).unwrap();
    }
    // No speed and no name.
    let mut report = two_runs();
    report.runs[1].cells = vec![failed(TestKind::Pp(2048), 0)];
    for picture in of_one_sequence {
        Document::parse(&svg(&report, picture)).unwrap();
    }
}

#[test]
fn hostile_names_stay_text() {
    let mut report = two_runs();
    report.runs[0].header.model.description =
        "</svg><script>alert(1)</script>\u{0}\u{1b}[2J fill=\"#010204\" & co".into();
    let svg = svg(&report, Picture::Depth);
    let document = Document::parse(&svg).unwrap();
    assert!(document.descendants().all(|node| node.tag_name().name() != "script"));
    assert!(
        texts(&svg).iter().any(|text| text.contains("<script>alert(1)</script>") && text.contains("& co"))
    );
}

#[test]
fn nothing_to_draw_is_said() {
    let error = draw(&Report::default(), Picture::Depth).unwrap_err();
    assert_eq!(error.to_string(), "there is nothing to draw: no cell has a speed");
    let mut report = reference();
    report.runs[0].cells.retain(|cell| matches!(cell.test.kind, TestKind::Pp(_)));
    assert!(matches!(draw(&report, Picture::Latency), Err(DrawError::Nothing { .. })));
    report.runs[0].cells = vec![failed(TestKind::Pp(2048), 0)];
    assert!(matches!(draw(&report, Picture::Depth), Err(DrawError::Nothing { .. })));
}

#[test]
fn pictures_are_named() {
    for picture in Picture::ALL {
        assert_eq!(picture.to_string().parse::<Picture>().unwrap(), picture);
    }
    assert_eq!(
        "pie".parse::<Picture>().unwrap_err().to_string(),
        "unknown picture `pie`: use depth, latency, bars, parallel, tradeoff, profile or flame"
    );
}
