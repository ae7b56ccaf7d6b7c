//! What a person sees in a terminal.

mod report_support;

use llama_bench_rs::{
    record::Report,
    report::{
        insights::Expectation,
        read_str,
        terminal::{Style, render, render_with},
    },
};
use report_support::{assorted, reference};

#[test]
fn plain() {
    insta::assert_snapshot!(render(&reference(), Style::default()));
}

#[test]
fn coloured() {
    let expected = [Expectation::new(llama_bench_rs::record::TestKind::Pp(2048), 2000.0..3000.0)];
    let style = Style { colour: true, width: 80, unicode: true };
    // Escape sequences, made visible.
    insta::assert_snapshot!(render_with(&assorted(), &expected, style).replace('\u{1b}', "␛"));
}

#[test]
fn ascii_and_narrow() {
    let text = render(&assorted(), Style { colour: false, width: 48, unicode: false });
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn llama_benchs_file() {
    let report = read_str(include_str!("fixtures/reference-run.json")).unwrap().report;
    insta::assert_snapshot!(render(&report, Style { width: 80, ..Style::default() }));
}

#[test]
fn lines_keep_to_the_width() {
    for width in [60, 72, 80, 100, 132] {
        for report in [reference(), assorted()] {
            for line in render(&report, Style { width, ..Style::default() }).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn colour_is_all_that_colour_adds() {
    let plain = render(&assorted(), Style::default());
    assert!(!plain.contains('\u{1b}'));
    let mut coloured = render(&assorted(), Style { colour: true, ..Style::default() });
    while let Some(start) = coloured.find('\u{1b}') {
        let end = start + coloured[start..].find('m').unwrap();
        coloured.replace_range(start..=end, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(render(&Report::default(), Style::default()), "");
}
