//! The program that serves many users, as a user runs it: formats, refusals, plans, what other programs make of its files.
#![allow(missing_docs)]

mod support;

use std::{fs, path::Path};

use llama_bench_rs::serve::{self, Arrivals};
use serde_json::Value;
use support::{example, run, small_load};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_format_has_every_load() {
    let ran = small_load(&["-o", "jsonl", "--slo", "ttft=1min"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let report = serve::read_str(&ran.out).unwrap();
    let loads: Vec<&Arrivals> = report.loads().map(|(_, load)| &load.arrivals).collect();
    assert_eq!(loads, [&Arrivals::users(1), &Arrivals::users(2)]);
    for (_, load) in report.loads() {
        assert_eq!((load.repetitions.len(), load.whole().count()), (2, 2));
        for repetition in &load.repetitions {
            let complete: Vec<_> = repetition.served.complete().collect();
            assert_eq!(complete.len(), 4);
            assert!(complete.iter().all(|request| (request.n_prompt, request.gaps.len()) == (16, 3)));
        }
    }

    let json = small_load(&["-o", "json"]).out;
    assert_eq!(serve::read_str(&json).unwrap().loads().count(), 2);
    let whole: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&whole["figures"][1]["users"], &whole["figures"][1]["n_requests"]), (&2.into(), &8.into()));

    let csv = small_load(&["-o", "csv"]).out;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let users = reader.headers().unwrap().iter().position(|name| name == "users").unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| &row[users]).collect::<Vec<_>>(), ["1", "2"]);

    let table = small_load(&[]).out;
    assert!(table.contains("\n| 1 user | ") && table.contains("\n| 2 users | "), "{table}");
    let screen = small_load(&["-o", "term", "--slo", "ttft=1min"]).out;
    for word in ["Most throughput at ", "8 of 8 requests keep ttft=60s", "What it means", "Configuration"] {
        assert!(screen.contains(word), "no {word:?} in {screen}");
    }
    assert_eq!(small_load(&["-o", "none"]).out, "");
}

#[test]
fn devices_are_listed_in_place_of_serving() {
    let ran = small_load(&["--list-devices"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("Available devices:\n"), "{}", ran.out);
    assert!(!ran.out.contains("user"), "{}", ran.out);
}

#[test]
fn rates_and_configurations_are_served_in_one_run() {
    let ran = small_load(&["--rate", "1000", "-ub", "16,32", "-b", "64", "-o", "jsonl", "-r", "1"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let report = serve::read_str(&ran.out).unwrap();
    let names: Vec<&str> = report.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["ub 16", "ub 32"]);
    let [a, b] = &report.runs[..] else { panic!("{names:?}") };
    assert_eq!(a.loads.len(), 3);
    assert!(matches!(a.loads[2].arrivals, Arrivals::Open { rate } if rate == 1000.0));
    // Both serve the same requests, and in turn: the records alternate.
    let lengths = |run: &serve::ServeRun| -> Vec<u32> {
        run.loads[0].repetitions[0].served.requests.iter().map(|request| request.n_prompt).collect()
    };
    assert_eq!(lengths(a), lengths(b));
}

#[test]
fn a_search_has_its_answer_and_every_try() {
    let ran = small_load(&[
        "--slo",
        "ttft=10min",
        "--search",
        "users",
        "--share",
        "50",
        "--certainty",
        "60",
        "--most",
        "2",
        "-o",
        "jsonl",
    ]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let report = serve::read_str(&ran.out).unwrap();
    let capacity = report.runs[0].capacity.as_ref().expect("an answer");
    assert_eq!(capacity.keeps, Some(Arrivals::users(2)), "{capacity:?}");
    assert_eq!(capacity.tries.len(), report.runs[0].loads.len());
}

#[test]
fn what_cannot_be_served_is_said_before_anything_is_loaded() {
    for (more, says) in [
        (&["--rate", "0"][..], "is not a number over 0"),
        (&["--users", "0"], "user"),
        (&["--prompt", "uniform:9:1"], "write uniform:1:9"),
        (&["--prompt", "0"], "0"),
        (&["-np", "64", "-b", "8", "-ub", "8"], "64"),
        (&["--slo", "fast"], "is not a limit"),
        (&["--search", "rate", "--slo", "ttft=1s"], "--rate"),
        (&["--output", "x.sql"], "use jsonl, json, csv or md"),
        (&["--output", "x.json", "--resume"], "name a FILE.jsonl"),
        (&["--html", "-"], "add -o none"),
        (&["--svg", "x.png"], "pictures are SVG"),
    ] {
        let mut command = example("serve_bench");
        command.args(["-m", "missing.gguf"]).args(more);
        let ran = run(&mut command);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{more:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{more:?}: no {says:?} in {}", ran.err);
        assert!(!ran.err.contains("missing.gguf"), "{more:?}: {}", ran.err);
    }
}

#[test]
fn a_model_that_does_not_load_costs_only_its_own_loads() {
    let folder = tempfile::tempdir().unwrap();
    let model = support::tiny_model(folder.path());
    let models = format!("{},{}", folder.path().join("missing.gguf").display(), model.display());
    let flags = ["--users", "2", "--prompt", "8", "--generate", "2", "--requests", "2", "-r", "1", "-t", "1"];
    let ran = run(example("serve_bench").args(["-m", &models, "-o", "jsonl"]).args(flags));
    assert_eq!(ran.status, 1, "{}", ran.err);
    let report = serve::read_str(&ran.out).unwrap();
    let [missing, served] = &report.runs[..] else { panic!("{:?}", report.runs.len()) };
    let failure = missing.loads[0].failure.as_ref().unwrap();
    assert!(failure.message.contains("missing.gguf"), "{failure:?}");
    assert_eq!(served.loads[0].whole().count(), 1);
}

#[test]
fn a_plan_serves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serving.jsonl");
    let ran = small_load(&["--plan", "--output", text(&file)]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    for words in [
        "2 repetitions of each load",
        "  1 user: 1 slot of ",
        "  2 users: 2 slots of ",
        " 128 prompt and 32 generated tokens",
    ] {
        assert!(ran.out.contains(words), "no {words:?} in {}", ran.out);
    }
    assert!(!file.exists());
}

#[test]
fn pages_and_pictures_are_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let [page, picture] = ["page.html", "picture.svg"].map(|name| folder.path().join(name));
    let flags = ["--html", text(&page), "--svg", text(&picture), "-o", "json"];
    let ran = small_load(&flags);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let read = serve::read_file(&page).unwrap();
    assert_eq!(read, serve::read_str(&ran.out).unwrap());
    let picture = fs::read_to_string(&picture).unwrap();
    for words in ["Time to first token", "Throughput by users", "2 users"] {
        assert!(picture.contains(words), "{words}");
    }
    let refused = small_load(&flags);
    assert!(refused.status == 2 && refused.err.contains("--force"), "{}", refused.err);
}

#[test]
fn report_and_compare_take_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.jsonl", "b.jsonl"].map(|name| folder.path().join(name));
    for file in [&a, &b] {
        let ran = small_load(&["-o", "none", "-r", "3", "--output", text(file)]);
        assert_eq!(ran.status, 0, "{}", ran.err);
    }
    let table = run(example("report").arg(&a));
    assert!(table.status == 0 && table.out.contains("\n| 2 users | "), "{} {}", table.out, table.err);
    let again = run(example("report").args([text(&a), "-o", "json"]));
    assert_eq!(serve::read_str(&again.out).unwrap(), serve::read_file(&a).unwrap(), "{}", again.err);
    let screen = run(example("report").args([text(&a), "-o", "term"]));
    assert!(screen.out.contains("What it means") || screen.out.contains("Most throughput"), "{}", screen.out);
    let page = folder.path().join("page.html");
    let drawn = run(example("report").args([text(&a), "--html", text(&page)]));
    assert_eq!(drawn.status, 0, "{}", drawn.err);
    assert_eq!(serve::read_file(&page).unwrap(), serve::read_file(&a).unwrap());
    let mixed = run(example("report").args([text(&a), text(&b)]));
    assert!(
        mixed.status == 0 && mixed.out.contains("a.jsonl") && mixed.out.contains("b.jsonl"),
        "{} {}",
        mixed.out,
        mixed.err
    );

    let compared = run(example("compare").args([&a, &b]));
    // Noise may look like a difference between two runs.
    assert!(matches!(compared.status, 0 | 3), "{}", compared.err);
    for words in ["interval between repetitions", "| 1 user, throughput | ", "| 2 users, TTFT p50 | "] {
        assert!(compared.out.contains(words), "no {words:?} in {}", compared.out);
    }
    let rows = run(example("compare").args([text(&a), text(&b), "-o", "csv"]));
    assert!(rows.out.starts_with("configuration,test,a_ts,"), "{}", rows.out);

    let sweep = folder.path().join("sweep.jsonl");
    let flags = ["-o", "none", "--output", text(&sweep)];
    assert_eq!(support::small_sweep(&flags).status, 0);
    let refused = run(example("compare").args([&a, &sweep]));
    assert_eq!(refused.status, 2, "{}", refused.err);
    assert!(refused.err.contains("sweep") && refused.err.contains("serving"), "{}", refused.err);
}
