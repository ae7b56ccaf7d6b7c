//! What the page holds, as written and as a browser renders it.

mod report_support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use llama_bench_rs::{
    record::{Report, TestKind},
    report::{self, html},
};
use report_support::{assorted, failed, reference};

const HOSTILE: &str =
    "</script><script>document.title = 'owned'</script><img src=x onerror=alert(1)>\" 'a & b";

fn page(report: &Report) -> String {
    html::page(report).unwrap()
}

/// The text of a page without its elements; good enough for pages that escape what they should.
fn text(page: &str) -> String {
    let body = page.split_once("<body>").map_or(page, |(_, body)| body);
    let body = body.split_once("<script").map_or(body, |(body, _)| body);
    let without_tags: String = body
        .split('<')
        .map(|part| part.split_once('>').map_or("", |(_, text)| text))
        .collect::<Vec<_>>()
        .join(" ");
    let text =
        without_tags.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_holds(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

/// Figures of the reference run that a reader looks for, wherever they stand.
const FIGURES: [&str; 12] = [
    "gpt-oss 20B Q4_K - Medium",
    "NVIDIA GB10",
    "4.44 bits per weight",
    "25 of 25 layers",
    "3 min 3 s",
    "pp2048 @ d32768",
    "3713.75 ± 11.74 3710.15 0.25 5 551 ms",
    "90.06",
    "2029 (-45 %)",
    "60.3 (-33 %)",
    "11.1 ms",
    "All 50 repetitions",
];

#[test]
fn the_page_holds_the_figures() {
    assert_holds(&text(&page(&reference())), &FIGURES);
}

#[test]
fn the_page_says_what_the_insights_say() {
    let (report, page) = (reference(), text(&page(&reference())));
    let insights = report::insights::insights(&report);
    assert!(insights.len() > 3);
    for insight in insights {
        let said = insight.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&said), "{said:?} is not in: {page}");
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
fn several_runs_are_compared_with_the_first() {
    let mut report = reference();
    let mut second = report.runs[0].clone();
    second.header.config.n_ubatch = Some(512);
    for sample in second.cells.iter_mut().filter_map(|cell| match &mut cell.outcome {
        llama_bench_rs::record::Outcome::Measured(measured) => Some(measured),
        _ => None,
    }) {
        sample.samples.iter_mut().for_each(|sample| sample.elapsed = sample.elapsed * 10 / 9);
    }
    second.cells.push(failed(TestKind::Pp(2048), 65_536));
    report.runs.push(second);
    let text = text(&page(&report));
    assert_holds(&text, &["2 runs side by side", "Run 1: ub 2048", "Run 2: ub 512"]);
    assert_holds(&text, &["-10.0 % one run each: cannot tell", "out_of_memory"]);
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

/// The name is wherever a name can be.
fn hostile() -> Report {
    let mut report = assorted();
    for (i, run) in report.runs.iter_mut().enumerate() {
        run.header.model.description = format!("{HOSTILE}{i}");
        run.header.model.filename = HOSTILE.into();
        run.header.host.gpu_info = HOSTILE.into();
        run.header.build.commit = HOSTILE.into();
        run.header.host.devices[0].name = HOSTILE.into();
        run.cells.push(failed(TestKind::Tg(32), 0));
        if let Some(llama_bench_rs::record::Outcome::Failed(failure)) =
            run.cells.last_mut().map(|cell| &mut cell.outcome)
        {
            (failure.kind, failure.message) = (HOSTILE.into(), HOSTILE.into());
        }
    }
    report
}

/// The first browser of the Chromium family that is there; `CHROME` names another.
fn browser() -> Option<PathBuf> {
    let named = env::var_os("CHROME").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let found = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    named.into_iter().chain(found).find(|path| path.is_file())
}

/// The document after a browser has read it, and what the browser complained of.
fn render(browser: &Path, page: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed: {log}", browser.display());
    let complaints = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints)
}

#[test]
fn a_browser_renders_the_figures() {
    let Some(browser) = browser() else {
        println!("SKIPPED: no chromium, chrome or google-chrome on PATH, and CHROME names none");
        return;
    };
    let (rendered, complaints) = render(&browser, &page(&reference()));
    assert_holds(&text(&rendered), &FIGURES);
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!(report::read_str(&rendered).unwrap().report, reference());
}

#[test]
fn a_browser_runs_nothing_of_a_hostile_name() {
    let Some(browser) = browser() else {
        println!("SKIPPED: no chromium, chrome or google-chrome on PATH, and CHROME names none");
        return;
    };
    let (rendered, complaints) = render(&browser, &page(&hostile()));
    assert!(!rendered.contains("<title>owned</title>") && !rendered.contains("<img"), "{rendered}");
    // The page's policy would report what it had to stop.
    assert_eq!(complaints, Vec::<String>::new());
}
