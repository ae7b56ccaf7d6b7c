use std::fs;

use super::{ServeJournal, files, fixture};
use crate::report::ReportError;

fn jsonl() -> String {
    let mut text = Vec::new();
    files::write_jsonl(&fixture::report(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn every_form_of_a_file_is_the_same_report() {
    let report = fixture::report();
    let (jsonl, json) = (jsonl(), files::to_json(&report).unwrap());
    let laid_out = format!("{:#}", serde_json::from_str::<serde_json::Value>(&json).unwrap());
    // Fields in another order are not the first one, which says what the file is.
    let rest = laid_out[1..].replace(",\n  \"serving\": \"report\"", "");
    let laid_out = format!("{{\n  \"serving\": \"report\",{rest}");
    let windows = format!("\u{feff}{}", jsonl.replace('\n', "\r\n"));
    for text in [&jsonl, &json, &laid_out, &windows] {
        assert!(files::is_serving(text), "{text:.80}");
        assert_eq!(files::read_str(text).unwrap(), report, "{text:.80}");
    }
    // Of one run, three loads and six repetitions.
    assert_eq!(jsonl.lines().count(), 1 + 3 + 6);
    assert!(
        !files::is_serving("[]") && !files::is_serving("{\"build_commit\": \"x\"}") && !files::is_serving("")
    );
}

#[cfg(feature = "pages")]
#[test]
fn a_page_is_the_same_report() {
    let mut report = fixture::report();
    report.runs[0].header.model.filename = "</script><b>.gguf".into();
    let page = super::html::page(&report).unwrap();
    assert_eq!(files::read_str(&page).unwrap(), report);
    assert!(page.contains("<svg") && page.contains("1 user") && page.contains("out_of_memory"), "{page}");
}

#[test]
fn what_is_damaged_is_named_with_its_line() {
    let jsonl = jsonl();
    let lines: Vec<&str> = jsonl.lines().collect();
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat().join("\n") + "\n";
    let cut = format!("{}\n{}\n", lines[0], &lines[1][..20]);
    let newer = jsonl.replacen("\"schema\":1", "\"schema\":99", 1);
    for (text, says) in [
        (without(0), "line 1: its run is not among the lines before"),
        (without(1), "line 2: its load is not among the lines before"),
        (cut, "damaged jsonl, line 2: column 20"),
        (newer, "line 1 has schema version 99"),
        ("{\"serving\":\"repetition\",".into(), "no line of the file is whole"),
        ("[]".into(), "this is not a result of serving"),
        (String::new(), "this is not a result of serving"),
    ] {
        let error = files::read_str(&text).unwrap_err().to_string();
        assert!(error.contains(says), "no {says:?} in {error}");
    }
}

#[test]
fn a_journal_holds_what_it_was_given_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serving.jsonl");
    let whole = fixture::report();
    let mut run = whole.runs[0].clone();
    let loads = std::mem::take(&mut run.loads);
    let mut journal = ServeJournal::create(&path).unwrap();
    journal.keep(0, &run).unwrap();
    for load in loads {
        let repetitions = load.repetitions.clone();
        run.loads.push(load);
        let last = run.loads.len() - 1;
        run.loads[last].repetitions.clear();
        journal.keep(0, &run).unwrap();
        for repetition in repetitions {
            run.loads[last].repetitions.push(repetition);
            journal.keep(0, &run).unwrap();
            assert_eq!(files::read_file(&path).unwrap().runs, [run.clone()]);
        }
    }
    let before = fs::read_to_string(&path).unwrap();
    assert_eq!(before, jsonl(), "nothing is written twice");
    journal.keep(0, &run).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn a_file_is_resumed_whatever_its_last_line_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serving.jsonl");
    let whole = jsonl();
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    // Cut anywhere in the last line, at its end too: then only its line break is missing.
    for cut in [last, last + 1, last + 30, whole.len() - 2, whole.len() - 1, whole.len()] {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut journal, found) = ServeJournal::resume(&path).unwrap();
        let is_whole = cut >= whole.len() - 1;
        let n_reps: usize = found.runs[0].loads.iter().map(|load| load.repetitions.len()).sum();
        // The last line is the load that failed.
        assert_eq!((n_reps, found.runs[0].loads.len()), (6, if is_whole { 3 } else { 2 }), "{cut}");
        journal.keep(0, &fixture::report().runs[0]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{cut}");
    }
    fs::write(&path, whole.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    assert!(ServeJournal::resume(&path).is_err(), "UTF-16 without its mark is not text");
    fs::write(&path, "").unwrap();
    assert!(ServeJournal::resume(&path).unwrap().1.runs.is_empty());
    fs::write(&path, "{\"build_commit\":\"x\"}\n").unwrap();
    let refused = ServeJournal::resume(&path).unwrap_err();
    assert!(matches!(refused, ReportError::Unrecognised { .. }), "{refused}");
}

#[test]
fn a_later_record_replaces_an_earlier_one() {
    let mut report = fixture::report();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serving.jsonl");
    let mut journal = ServeJournal::create(&path).unwrap();
    journal.keep(0, &report.runs[0]).unwrap();
    // Tried again, the load that failed is served, and a repetition that was cut short is whole.
    let run = &mut report.runs[0];
    run.loads[2] = fixture::load(4, 60);
    run.loads[0].repetitions[1] = fixture::repetition(1, 40, 33);
    journal.keep(0, run).unwrap();
    assert_eq!(files::read_file(&path).unwrap(), report);
}
