//! The report example as a user runs it: what it writes, what it says, and its exit status.
#![allow(missing_docs)]

mod support;

use std::{fs, path::Path, process::Output};

use llama_bench_rs::report;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/llama-bench-rs/tests/fixtures");

fn run(folder: &Path, arguments: &[&str]) -> Output {
    support::example("report").args(arguments).current_dir(folder).output().unwrap()
}

/// Exit status, standard output and standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_file_of_llama_bench_becomes_a_page_a_picture_and_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{FIXTURES}/llama-bench.jsonl");
    let output = run(folder.path(), &[&file, "--html", "a.html", "--svg", "a.svg", "-o", "md"]);
    let (status, out, err) = said(&output);
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with("| model"), "{out}");
    // Its blend of prompt and generation is not a cell.
    assert!(err.contains("left out: line 4 is llama-bench's pg test"), "{err}");
    let expected = report::read_file(&file).unwrap().report;
    assert_eq!(report::read_file(folder.path().join("a.html")).unwrap().report, expected);
    let svg = fs::read_to_string(folder.path().join("a.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("Speed by context depth"), "{svg}");
}

#[test]
fn old_results_are_explained_and_held_against_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{FIXTURES}/llama-bench.json");
    let (status, out, err) = said(&run(folder.path(), &[&file, "--explain"]));
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with("| model") && out.contains("- **Model**"), "{out}");
    let test = report::read_file(&file).unwrap().report.runs[0].cells[0].test;
    let expect = |range: &str| {
        let expected = format!("{test}={range}");
        said(&run(folder.path(), &[&file, "--explain", "--expect", &expected, "-o", "json"]))
    };
    let (status, out, err) = expect("0.001..");
    assert_eq!(status, Some(0), "{err}");
    assert!(err.contains(&format!("| {test} | at least 0.001 t/s |")), "{err}");
    assert!(report::read_str(&out).is_ok(), "standard output is for scripts");
    let (status, _, err) = expect("1e9..");
    assert!(err.contains("| falls short |"), "{err}");
    assert_eq!(status, Some(3));
    let (status, _, err) = said(&run(folder.path(), &[&file, "--explain", "--expect", "fast"]));
    assert_eq!(status, Some(2));
    assert!(err.contains("\"fast\" is not a valid expectation"), "{err}");
}

/// What is there may be all that is left of a measurement.
#[test]
fn a_page_or_picture_that_is_there_is_replaced_only_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{FIXTURES}/llama-bench.json");
    for (flag, name) in [("--html", "a.html"), ("--svg", "a.svg")] {
        let path = folder.path().join(name);
        fs::write(&path, "mine").unwrap();
        let (status, out, err) = said(&run(folder.path(), &[&file, flag, name]));
        assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(&format!("{flag}: {name} is there")) && err.contains("--force"), "{err}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let (status, _, err) = said(&run(folder.path(), &[&file, flag, name, "--force"]));
        assert_eq!(status, Some(0), "{err}");
        assert_ne!(fs::read_to_string(&path).unwrap(), "mine");
    }
    let (status, _, err) = said(&run(folder.path(), &["a.html", "--html", "a.html"]));
    assert!(status == Some(2) && err.contains("a.html is there"), "{err}");
}

#[test]
fn a_dash_is_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{FIXTURES}/llama-bench.json");
    let (status, out, err) = said(&run(folder.path(), &[&file, "--html", "-"]));
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with("<!DOCTYPE html>") && out.ends_with("</html>"), "{out}");
    assert_eq!(report::read_str(&out).unwrap().report, report::read_file(&file).unwrap().report);
    // What is said goes beside it.
    let (status, out, err) = said(&run(folder.path(), &[&file, "--svg", "-", "--explain"]));
    assert_eq!(status, Some(0), "{err}");
    assert!(out.starts_with("<svg") && out.ends_with("</svg>") && err.contains("**Model**"), "{err}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a file was written");
    for (more, word) in [(&["--svg", "-"][..], "another flag"), (&["-o", "md"][..], "leave out -o")] {
        let arguments = [&[file.as_str(), "--html", "-"], more].concat();
        let (status, out, err) = said(&run(folder.path(), &arguments));
        assert_eq!((status, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(word), "{err}");
    }
}

#[test]
fn a_page_shows_what_was_expected_without_more_flags() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{FIXTURES}/llama-bench.json");
    let test = report::read_file(&file).unwrap().report.runs[0].cells[0].test;
    let expected = format!("{test}=1e9..");
    let (status, page, err) = said(&run(folder.path(), &[&file, "--html", "-", "--expect", &expected]));
    assert_eq!(status, Some(3), "{err}");
    assert!(page.contains("Expected and measured") && page.contains("falls short"), "{page}");
    assert!(err.contains("falls short of the expectation"), "{err}");
    // With the table: below it.
    let (status, out, err) = said(&run(folder.path(), &[&file, "--expect", &expected]));
    assert_eq!(status, Some(3), "{err}");
    assert!(out.starts_with("| model") && out.contains("falls short of the expectation"), "{out}");
}

/// Several configurations at one depth are a point each in a picture over depths.
#[test]
fn the_picture_fits_the_results() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Vec::new();
    for ubatch in ["8", "16"] {
        let model = ["--shape", "tiny-llama", "-p", "16", "-n", "4", "-r", "2", "-t", "1", "-d", "0"];
        let ran = support::sweep(model.iter().chain(&["-ub", ubatch, "-o", "jsonl"]));
        rows.extend(ran.out.lines().map(str::to_owned));
    }
    let file = folder.path().join("both.jsonl");
    fs::write(&file, rows.join("\n")).unwrap();
    let picture = |more: &[&str]| {
        let arguments = [&[file.to_str().unwrap(), "--svg", "-"], more].concat();
        said(&run(folder.path(), &arguments)).1
    };
    assert!(picture(&["--picture", "depth"]).contains("Speed by context depth"));
    let bars = picture(&[]);
    assert!(bars.contains("Speed of each configuration"), "{bars}");
}

#[test]
fn files_are_put_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let (json, csv) = (format!("{FIXTURES}/llama-bench.json"), format!("{FIXTURES}/llama-bench.csv"));
    let (status, out, err) = said(&run(folder.path(), &[&json, &csv, "-o", "jsonl"]));
    assert_eq!(status, Some(0), "{err}");
    let both = report::read_str(&out).unwrap().report.cells().count();
    let each = [json, csv].map(|file| report::read_file(file).unwrap().report.cells().count());
    assert_eq!(both, each.iter().sum::<usize>());
}

/// Two files of one configuration were "run 1 of 2" and "run 2 of 2".
#[test]
fn files_of_one_configuration_have_their_names_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let flags =
        ["--shape", "tiny-llama", "-p", "16", "-n", "4", "-r", "2", "-t", "1", "-d", "0,32", "-o", "jsonl"];
    let rows = support::sweep(flags).out;
    for name in ["before.jsonl", "after.jsonl"] {
        fs::write(folder.path().join(name), &rows).unwrap();
    }
    let files = ["before.jsonl", "after.jsonl"];
    let (status, table, err) = said(&run(folder.path(), &files));
    assert_eq!(status, Some(0), "{err}");
    assert!(table.starts_with("| file         | model "), "{table}");
    for (name, n_rows) in [("| before.jsonl |", 4), ("| after.jsonl  |", 4)] {
        assert_eq!(table.matches(name).count(), n_rows, "{name}: {table}");
    }
    let (_, page, _) = said(&run(folder.path(), &[&files[..], &["--html", "-"]].concat()));
    let (_, screen, _) = said(&run(folder.path(), &[&files[..], &["-o", "term"]].concat()));
    for (what, text) in [("page", &page), ("terminal", &screen)] {
        for name in files {
            assert!(text.contains(name), "{what}: no {name}: {text}");
        }
        assert!(!text.contains("run 1 of 2"), "{what}: {text}");
    }
    // The page keeps them when it is read again, alone or beside another file.
    fs::write(folder.path().join("page.html"), &page).unwrap();
    let (_, again, _) = said(&run(folder.path(), &["page.html"]));
    assert_eq!(again, table);
    let (_, three, err) = said(&run(folder.path(), &["page.html", "before.jsonl"]));
    for name in ["| page.html: before.jsonl |", "| page.html: after.jsonl  |", "| before.jsonl            |"]
    {
        assert_eq!(three.matches(name).count(), 4, "{name}: {three} {err}");
    }
    let (_, picture, _) = said(&run(folder.path(), &[&files[..], &["--svg", "-"]].concat()));
    assert!(files.iter().all(|name| picture.contains(name)), "{picture}");
    // One file needs no name, and no other format has a column for it.
    let (_, one, _) = said(&run(folder.path(), &files[..1]));
    assert!(one.starts_with("| model "), "{one}");
    let (_, json, _) = said(&run(folder.path(), &[&files[..], &["-o", "jsonl"]].concat()));
    assert!(!json.contains("before.jsonl"), "{json}");
}

#[test]
fn a_terminals_report_fits_its_width_and_judges_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("{FIXTURES}/llama-bench.json");
    let test = report::read_file(&file).unwrap().report.runs[0].cells[0].test;
    let expected = format!("{test}=..0.001");
    for width in ["60", "80", "200"] {
        let mut command = support::example("report");
        command.args([&file, "-o", "term", "--expect", &expected]).current_dir(folder.path());
        let ran = support::run(command.env("COLUMNS", width));
        assert_eq!(ran.status, 3, "beyond the upper end: {}", ran.err);
        assert!(ran.out.contains("at most 0.001 t/s") && ran.out.contains("exceeds"), "{}", ran.out);
        let most: usize = width.parse().unwrap();
        assert!(ran.out.lines().all(|line| line.chars().count() <= most), "{width}: {}", ran.out);
    }
    let (status, out, err) = said(&run(folder.path(), &[&file, "-o", "none"]));
    assert_eq!((status, out.as_str()), (Some(0), ""), "{err}");
}

#[test]
fn damage_is_named_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cut.jsonl"), "{\"model_filename\": \"a\"\n").unwrap();
    let (status, out, err) = said(&run(folder.path(), &["cut.jsonl"]));
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("report: cut.jsonl: damaged jsonl, line 1:"), "{err}");
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (status, _, err) = said(&run(folder.path(), &["missing.json"]));
    assert_eq!(status, Some(2));
    assert!(err.starts_with("report: cannot read missing.json:"), "{err}");
    // llama-bench times no single token.
    let file = format!("{FIXTURES}/llama-bench.json");
    let (status, _, err) = said(&run(folder.path(), &[&file, "--svg", "a.svg", "--picture", "latency"]));
    assert_eq!(status, Some(1));
    assert!(err.contains("report: there is nothing to draw: no generated token"), "{err}");
}

#[test]
fn bad_usage_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, remedy) in [
        (&[][..], "<FILE>"),
        (&["a.json", "-o", "xml"][..], "jsonl"),
        (
            &["a.json", "--svg", "a.svg", "--picture", "pie"][..],
            "depth, latency, bars, parallel, tradeoff, profile or flame",
        ),
        (&["a.json", "--picture", "depth"][..], "--svg"),
    ] {
        let (status, _, err) = said(&run(folder.path(), arguments));
        assert!(status == Some(2) && err.contains(remedy), "{arguments:?}: {err}");
    }
}

#[test]
fn the_schema_is_printed() {
    let (status, out, _) = said(&run(Path::new("."), &["--json-schema"]));
    assert_eq!(status, Some(0));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), report::json_schema());
}

/// A spread that makes a figure unbelievable is reported with every format, on standard error.
#[test]
fn figures_that_cannot_be_believed_are_said_in_every_format() {
    let ran = support::small_sweep(&["-o", "jsonl"]);
    let mut row: serde_json::Value = serde_json::from_str(ran.out.lines().next().unwrap()).unwrap();
    row["samples_ns"] = serde_json::json!([1_000_000, 90_000_000]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wild.jsonl");
    fs::write(&file, row.to_string()).unwrap();
    for format in ["json", "jsonl", "csv", "sql", "md"] {
        let ran = support::run(support::example("report").arg(&file).args(["-o", format]));
        assert_eq!(ran.status, 0, "{}", ran.err);
        for word in ["the spread of 1 cell", "pp16 8088.89 ± 11188.00 t/s", "quieter machine"] {
            assert!(ran.err.contains(word), "{format}: no {word:?} in {}", ran.err);
        }
    }
}

/// llama-batched-bench's lines are results like others, in both programs, and are written again.
#[test]
fn a_file_of_llama_batched_bench_is_shown_written_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = format!("{FIXTURES}/llama-batched-bench.jsonl");
    let (status, table, err) = said(&run(folder.path(), &[&theirs]));
    assert_eq!(status, Some(0), "{err}");
    assert!(table.contains("| tg32 x4 @ d128 (pg128+32) |"), "{table}");
    let (status, lines, err) = said(&run(folder.path(), &[&theirs, "-o", "batched-bench"]));
    assert_eq!(status, Some(0), "{err}");
    assert!(lines.starts_with("{\"n_kv_max\": 4096, ") && lines.lines().count() == 2, "{lines}");
    fs::write(folder.path().join("again.jsonl"), &lines).unwrap();
    let cells = |path: &Path| {
        let report = report::read_file(path).unwrap().report;
        report.cells().map(|(_, cell)| (cell.test, cell.times().unwrap().mean())).collect::<Vec<_>>()
    };
    assert_eq!(cells(&folder.path().join("again.jsonl")), cells(Path::new(&theirs)));
    let (status, text, err) = said(&run(folder.path(), &[&theirs, "-o", "term", "--html", "a.html"]));
    assert!(status == Some(0) && text.contains("x4"), "{err}: {text}");
    let compare =
        support::example("compare").args([&theirs, "again.jsonl"]).current_dir(folder.path()).output();
    let (status, text, err) = said(&compare.unwrap());
    assert_eq!(status, Some(0), "{err}");
    assert!(text.contains("tg32 x4 @ d128 (pg128+32)"), "{text}");
}
