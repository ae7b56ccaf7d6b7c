//! The page as a browser shows it: skipped with a message if there is no browser.

mod page_support;
mod report_support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use llama_bench_rs::{
    record::Report,
    report::{
        self,
        answer::{Answer, Configuration, PivotRow},
        html,
    },
};
use page_support::{FIGURES, assert_holds, busy, hostile, many, slower, text};
use report_support::reference;
use serde_json::Value;

fn page(report: &Report) -> String {
    html::page(report).unwrap()
}

/// The first browser of the Chromium family that is there; `CHROME` names another.
fn browser(test: &str) -> Option<PathBuf> {
    let named = env::var_os("CHROME").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let found = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let browser = named.into_iter().chain(found).find(|path| path.is_file());
    if browser.is_none() {
        println!("SKIPPED {test}: no chromium, chrome or google-chrome on PATH, and CHROME names none");
    }
    browser
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
    let Some(browser) = browser("a_browser_renders_the_figures") else { return };
    let (rendered, complaints) = render(&browser, &page(&reference()));
    assert_holds(&text(&rendered), &FIGURES);
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!(report::read_str(&rendered).unwrap().report, reference());
}

#[test]
fn a_browser_runs_nothing_of_a_hostile_name() {
    let Some(browser) = browser("a_browser_runs_nothing_of_a_hostile_name") else { return };
    let (rendered, complaints) = render(&browser, &page(&hostile()));
    assert!(!rendered.contains("<title>owned</title>") && !rendered.contains("<img"), "{rendered}");
    // The page's policy would report what it had to stop.
    assert_eq!(complaints, Vec::<String>::new());
}

/// What a script of the page around it sees of a page: how far it is too wide, what of it sticks out beside the boxes that
/// scroll, how many of those boxes are wider than the screen, and the cells of the first table.
const MEASURE: &str = r#"
const out = [];
for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, width = page.documentElement.clientWidth;
    page.querySelectorAll("details").forEach(details => details.open = true);
    const inBox = element => element.closest(".scroll") || element.closest("script");
    const sticksOut = [...page.body.querySelectorAll("*")]
        .filter(element => !inBox(element) && element.getBoundingClientRect().right > width + 1)
        .map(element => element.outerHTML.slice(0, 120));
    const tables = [...page.querySelectorAll("div.scroll")];
    const cells = [...page.querySelector("table.pivot").querySelectorAll("tbody tr")]
        .map(row => [...row.children].map(cell => cell.innerText.replace(/\s+/g, " ").trim()));
    out.push({
        tooWide: Math.max(0, page.documentElement.scrollWidth - width),
        sticksOut,
        scrolled: tables.filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.ariaLabel),
        cells,
    });
}
document.body.textContent = JSON.stringify(out).replaceAll("<", " ");
"#;

/// Each page at each width, as a script around them measures them.
fn measured(browser: &Path, pages: &[String], widths: &[u32]) -> Vec<Value> {
    let frame = |page: &String, width: &u32| {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        format!("<iframe style=\"width:{width}px;height:4000px;border:0\" srcdoc=\"{page}\"></iframe>")
    };
    let frames: String =
        pages.iter().flat_map(|page| widths.iter().map(move |width| frame(page, width))).collect();
    let around = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><body>{frames}<script>onload = () => {{ {MEASURE} }}</script></body>"
    );
    let (rendered, _) = render(browser, &around);
    let (_, json) = rendered.split_once("<body>").unwrap();
    let (json, _) = json.split_once("</body>").unwrap();
    serde_json::from_str(&json.replace("&amp;", "&").replace("&gt;", ">")).unwrap()
}

/// The cells of the first table, as the answer has them.
fn expected_cells(report: &Report) -> Vec<Vec<String>> {
    let answer = Answer::of(report, &[]);
    let figures = |row: &PivotRow| -> Vec<String> {
        let speeds = [row.prefill, row.generation].map(|figure| figure.unwrap().bare());
        let times = [row.first_token, row.answers[0], row.answers[1]].map(|time| time.unwrap().to_string());
        speeds.into_iter().chain(times).collect()
    };
    match &answer.configurations[..] {
        [one] => {
            let row = |row: &PivotRow| [vec![row.n_depth.to_string()], figures(row)].concat();
            one.pivot.rows.iter().map(row).collect()
        }
        several => {
            let ends = |one: &Configuration| {
                let rows = &one.pivot.rows;
                [vec![one.name.clone()], figures(&rows[0]), figures(&rows[rows.len() - 1])].concat()
            };
            several.iter().map(ends).collect()
        }
    }
}

#[test]
fn the_figures_read_back_from_a_browser_are_those_of_the_report() {
    let Some(browser) = browser("the_figures_read_back_from_a_browser_are_those_of_the_report") else {
        return;
    };
    let mut same = reference();
    for times in [1.01, 0.99] {
        same.runs.push(slower(&same.runs[0], 2048, times));
    }
    let reports = [reference(), same, many(3), many(12)];
    let pages: Vec<String> = reports.iter().map(page).collect();
    let read = measured(&browser, &pages, &[400, 1280]);
    assert_eq!(read.len(), 8);
    for (read, report) in read.chunks(2).zip(&reports) {
        for read in read {
            let cells: Vec<Vec<String>> = serde_json::from_value(read["cells"].clone()).unwrap();
            assert_eq!(cells, expected_cells(report));
        }
    }
}

/// On a phone, wide tables scroll in their own box and the page never does; on a desktop nothing scrolls sideways.
#[test]
fn nothing_is_cut_off_on_a_phone_or_a_desk() {
    let Some(browser) = browser("nothing_is_cut_off_on_a_phone_or_a_desk") else { return };
    let names = ["reference", "three", "twelve", "busy", "hostile names"];
    let pages = [reference(), many(3), many(12), busy(many(12)), hostile()].map(|report| page(&report));
    assert!(pages[3].contains("cannot tell ("), "{}", text(&pages[3]));
    let read = measured(&browser, &pages, &[400, 1280]);
    for (i, read) in read.iter().enumerate() {
        let (name, width) = (names[i / 2], [400, 1280][i % 2]);
        assert_eq!(read["tooWide"], 0, "{name} at {width} px: {read}");
        assert_eq!(read["sticksOut"].as_array().unwrap().len(), 0, "{name} at {width} px: {read}");
        if width == 1280 && names[i / 2] != "hostile names" {
            let tables: Vec<&Value> =
                read["scrolled"].as_array().unwrap().iter().filter(|it| !it.is_null()).collect();
            assert_eq!(tables, Vec::<&Value>::new(), "{name} at {width} px");
        }
    }
}
