//! What the page holds, as written; report_browser.rs reads it in a browser.

mod page_support;
mod report_support;

use llama_bench_rs::{
    record::{Report, TestKind},
    report::{self, answer::Answer, html},
};
use page_support::{FIGURES, assert_holds, hostile, slower, text};
use report_support::{assorted, failed, reference};

fn page(report: &Report) -> String {
    html::page(report).unwrap()
}

#[test]
fn the_page_holds_the_figures() {
    assert_holds(&text(&page(&reference())), &FIGURES);
}

/// Where each of these begins, which has to be in this order.
#[track_caller]
fn assert_order(text: &str, expected: &[&str]) {
    let mut rest = text;
    for expected in expected {
        let Some((_, after)) = rest.split_once(expected) else {
            panic!("{expected:?} does not follow in: {rest}");
        };
        rest = after;
    }
}

#[test]
fn the_answer_comes_first_and_the_configuration_last() {
    let expected = ["pp2048=2000..3000".parse().unwrap()];
    let text = text(&html::page_with(&reference(), &expected).unwrap());
    let headline = Answer::of(&reference(), &expected).headline;
    let order = [
        &headline.title(),
        &headline.sentence(),
        "depth prefill pp2048 t/s generation tg32 t/s first token",
        "0 3714 ± 12 90.1 ± 0.18",
        "Speed falls with depth because",
        "Speed by context depth",
        "Time per token by context depth",
        "What it says",
        "Expected and measured",
        "2000 to 3000 t/s 3714",
        "exceeds",
        "What to run next",
        "--example generate",
        "All figures",
        "Configuration",
        "Flash attention",
    ];
    assert_order(&text, &order);
    assert!(!page(&reference()).contains("Expected and measured"), "nothing was expected");
}

#[test]
fn the_page_says_what_the_answer_says() {
    let (report, page) = (reference(), text(&page(&reference())));
    let answer = Answer::of(&report, &[]);
    assert!(answer.said.len() > 3 && !answer.next.is_empty());
    let said = answer.said.iter().map(|said| &said.text);
    for said in said.chain(answer.next.iter().map(|next| &next.command)) {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&said), "{said:?} is not in: {page}");
    }
}

/// Insignificant digits hide the significant ones.
#[test]
fn figures_in_tables_have_three_significant_digits() {
    let mut report = reference();
    report.runs.push(slower(&report.runs[0], 512, 10.0 / 9.0));
    for report in [reference(), report] {
        let page = page(&report);
        let cells: Vec<String> =
            page.split("<td>").skip(1).map(|cell| text(cell.split("</td>").next().unwrap())).collect();
        assert!(cells.len() > 200, "{}", cells.len());
        let is_long = |word: &str| {
            let digits = |text: &str| text.trim_start_matches('0').len();
            let number = word.trim_matches(|c: char| !c.is_ascii_digit());
            let Some((whole, part)) = number.split_once('.') else { return false };
            match digits(whole) {
                0 => digits(part) > 3,
                n => n + part.len() > 3,
            }
        };
        let long: Vec<&String> = cells.iter().filter(|cell| cell.split(' ').any(is_long)).collect();
        assert_eq!(long, [] as [&String; 0]);
    }
}

#[test]
fn the_page_is_the_data() {
    for report in [reference(), assorted()] {
        let loaded = report::read_str(&page(&report)).unwrap();
        assert_eq!(loaded.report, report);
    }
    let error = report::read_str("<!DOCTYPE html><p>something else</p>").unwrap_err();
    assert!(error.to_string().starts_with("this is a web page without a report"), "{error}");
}

#[test]
fn damage_in_a_page_is_found_at_its_line() {
    let page = page(&reference());
    let damaged = page.replacen("\"n_depth\": 4096", "\"n_depth\": 40x96", 1);
    let line = damaged.lines().position(|line| line.contains("40x96")).unwrap() + 1;
    let error = report::read_str(&damaged).unwrap_err().to_string();
    assert!(error.starts_with(&format!("damaged json, line {line}:")), "{error}");
}

#[test]
fn several_configurations_are_compared_with_the_first() {
    let mut report = reference();
    let mut second = slower(&report.runs[0], 512, 10.0 / 9.0);
    second.cells.push(failed(TestKind::Pp(2048), 65_536));
    report.runs.push(second);
    let text = text(&page(&report));
    let names = report::run_labels(&report);
    assert_order(
        &text,
        &[
            "2 configurations",
            "No sure difference between 2 configurations",
            &format!("pp2048 {} 3719", names[0]),
            "empty context depth 32768",
            &format!("{} 3714 ± 12", names[0]),
            &format!("{} 3342", names[1]),
            "Speed of each configuration",
            "Prompt processing, pp2048",
            &names[0],
            "Speed by context depth",
            "How the times are spread",
            "In an empty context:",
            "configuration mean p50 p90 p99 mean p50 p90 p99",
            &format!("{} 551 ms 552 ms 552 ms 552 ms 11.1 ms", names[0]),
            "At depth 32768:",
            "Side by side",
            "The list of the best says which differences are sure",
            "configuration empty context @ d4096",
            "compared with",
            "-10.0 %",
            "out_of_memory",
            "All figures",
            &names[1],
        ],
    );
    assert!(!text.contains("Run 2:") && !text.contains("run 2 "), "{text}");
}

#[test]
fn several_runs_of_one_configuration_are_told_together() {
    let mut report = reference();
    for times in [1.01, 0.99] {
        report.runs.push(slower(&report.runs[0], 2048, times));
    }
    let text = text(&page(&report));
    assert_holds(
        &text,
        &["3 runs", "mean of 3 runs", "Band: 95 % interval between runs", "All runs together"],
    );
    assert_order(&text, &["All figures", "run 1 of 3", "run 2 of 3", "run 3 of 3", "Configuration"]);
}

#[test]
fn what_runs_share_is_told_once() {
    let mut report = reference();
    report.runs.push(slower(&report.runs[0], 512, 1.1));
    let text = text(&page(&report));
    assert_eq!(text.matches("NVIDIA 580.95.05").count(), 1, "{text}");
    assert_order(&text, &["Configuration", "The same in all runs", "Flash attention", "Of its own"]);
}

#[test]
fn a_failed_cell_stands_in_the_table_with_its_reason() {
    assert_holds(&text(&page(&assorted())), &["out_of_memory", "lower the depth, or use `-ctk q8_0`"]);
}

#[test]
fn an_empty_report_makes_a_page() {
    assert_holds(&text(&page(&Report::default())), &["Benchmark of llama.cpp"]);
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page(&assorted());
    for outside in ["src=", "href=", "@import", "url(", "<link"] {
        assert!(!page.contains(outside), "{outside} is in the page");
    }
    assert_eq!(page.matches("<script").count(), 1);
}

#[test]
fn hostile_names_stay_text() {
    let page = page(&hostile());
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img"), "an element came out of a name");
    assert_holds(&text(&page), &["<img src=x onerror=alert(1)>\" 'a & b"]);
    assert_eq!(report::read_str(&page).unwrap().report, hostile());
}
