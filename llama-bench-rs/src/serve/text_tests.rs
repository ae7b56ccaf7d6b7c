use super::{Arrivals, ServeReport, fixture, rows, said, terminal, to_csv, to_markdown};
use crate::{record::Failure, report::terminal::Style};

fn texts(report: &ServeReport) -> Vec<String> {
    said::said(&report.runs[0]).into_iter().map(|said| said.text).collect()
}

#[test]
fn a_table_has_a_row_for_each_load_and_the_reasons_of_the_others() {
    let table = to_markdown(&fixture::report());
    assert!(
        table.starts_with("tiny 1M F32: 64 requests per repetition, prompts 512, answers 128 tokens"),
        "{table}"
    );
    // First tokens after 20, 21 and 22 ms: by hand, ± 4.303 / √3 ms.
    let row = table.lines().find(|line| line.starts_with("| 1 user |")).unwrap();
    assert!(row.contains("| 21.0 ms ± 2.5 ms | 22.0 ms |"), "{row}");
    assert!(row.contains("| 10.0 ms ± 0 s | 10.0 ms ± 0 s |") && row.contains("| 100 % |"), "{row}");
    assert!(!table.contains("| 4 users |"), "{table}");
    assert!(table.contains("\n4 users: the context needs 9 GiB, 1 GiB is free\n"), "{table}");
    assert_eq!(to_markdown(&ServeReport::default()), "");
}

#[test]
fn a_report_without_a_repetition_has_its_reasons_and_no_empty_table() {
    let mut report = fixture::report();
    for load in &mut report.runs[0].loads {
        load.repetitions.clear();
        load.failure = Some(Failure::new("signal", "killed by signal 9 (SIGKILL): a | b"));
    }
    let text = to_markdown(&report);
    assert!(text.contains("\n\n1 user: killed by signal 9 (SIGKILL): a | b\n"), "{text}");
    assert!(!text.contains("---") && !text.contains("Means of"), "{text}");
}

#[test]
fn text_from_elsewhere_ends_no_cell_and_no_line() {
    let mut report = fixture::report();
    report.runs[0].header.model.description = "evil\n| model\u{1b}[2J".into();
    report.runs[0].loads[2].failure = Some(Failure::new("decode", "first\nsecond | third"));
    report.runs[0].name = "a | b".into();
    let mut other = report.runs[0].clone();
    other.name = "c".into();
    report.runs.push(other);
    let table = to_markdown(&report);
    assert!(table.starts_with("evil | model [2J: "), "{table}");
    assert!(table.contains("| a \\| b | 1 user |") && table.contains(": first second | third\n"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
}

#[test]
fn rows_have_all_columns_and_null_for_what_is_not_known() {
    let report = fixture::report();
    let rows = rows::rows(&report);
    assert_eq!(rows.len(), 3);
    let value = |row: usize, name: &str| {
        let found = rows[row].iter().find(|(column, _)| column == name);
        found.unwrap_or_else(|| panic!("no column {name}")).1.clone()
    };
    assert_eq!(value(0, "ttft_p50_ns"), 21_000_000);
    assert_eq!((value(0, "n_requests"), value(0, "n_kept")), (120.into(), 120.into()));
    assert_eq!(
        (value(0, "users"), value(0, "rate"), value(0, "slo")),
        (1.into(), ().into(), "ttft=1s,itl=100ms".into())
    );
    // 480 tokens in three repetitions of 40 requests of 50, 51 and 52 ms.
    let rate = value(0, "generation_ts").as_f64().unwrap();
    let by_hand = [50.0, 51.0, 52.0].map(|ms: f64| 4.0 / ms * 1e3).iter().sum::<f64>() / 3.0;
    assert!((rate - by_hand).abs() < 1e-9, "{rate}");
    assert_eq!((value(2, "ttft_p50_ns"), value(2, "error_kind")), (().into(), "out_of_memory".into()));
    let names = |row: usize| rows[row].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(names(0), names(2));
    let csv = to_csv(&report).unwrap();
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.starts_with("configuration,build_commit,model_filename,"), "{csv}");
}

#[test]
fn sentences_say_what_failed_and_what_is_kept() {
    let said = texts(&fixture::report());
    assert_eq!(said[0], "4 users: the context needs 9 GiB, 1 GiB is free");
    assert!(
        said.contains(&"2 users: 120 of 120 requests keep ttft=1s,itl=100ms (100 %).".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_knee_is_told_only_if_it_is_sure() {
    let mut report = fixture::report();
    // Twice the users and less throughput, by far more than the repetitions differ.
    let knee = "From 1 user to 2 users the throughput does not grow, and the first token comes after 41.0 ms instead of \
                21.0 ms (median).";
    assert!(texts(&report).contains(&knee.to_owned()), "{:?}", texts(&report));
    let is_told = |report: &ServeReport| texts(report).iter().any(|text| text.contains("throughput"));
    // One repetition has no interval.
    report.runs[0].loads.iter_mut().for_each(|load| load.repetitions.truncate(1));
    assert!(!is_told(&report));
    // Twice the users in half the time each: nothing is lost.
    let mut grows = fixture::report();
    grows.runs[0].loads[1].repetitions = fixture::load(2, 5).repetitions;
    grows.runs[0].loads[0].repetitions = fixture::load(1, 60).repetitions;
    assert!(!is_told(&grows), "{:?}", texts(&grows));
    // A user and a rate are not steps of one scale.
    let mut mixed = fixture::report();
    mixed.runs[0].loads[1].arrivals = Arrivals::Open { rate: 2.0 };
    assert!(!is_told(&mixed));
}

#[test]
fn waiting_for_a_slot_is_told_with_the_remedy() {
    let mut report = fixture::report();
    for repetition in &mut report.runs[0].loads[1].repetitions {
        for request in &mut repetition.served.requests {
            request.start = request.first_token.map(|first| first - std::time::Duration::from_millis(1));
        }
    }
    let said = texts(&report);
    let told = said.iter().find(|text| text.contains("waiting")).unwrap_or_else(|| panic!("{said:?}"));
    assert!(
        told.starts_with("2 users: ") && told.contains("one of 2 slots") && told.contains("-np"),
        "{told}"
    );
}

#[test]
fn the_terminal_has_the_answer_first_and_fits_its_width() {
    let report = fixture::report();
    for width in [40, 80, 120] {
        let style = Style { width, ..Style::default() };
        let text = terminal::render(&report, style);
        assert!(text.starts_with("Most throughput at 1 user: "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        for words in ["What it means", "! 4 users: ", "TTFT", "ITL", "Configuration"] {
            assert!(text.contains(words), "{width}: no {words} in {text}");
        }
    }
    assert_eq!(terminal::render(&ServeReport::default(), Style::default()), "");
}

#[cfg(feature = "pages")]
#[test]
fn a_picture_has_the_figures_in_words() {
    let drawing = super::svg::draw(&fixture::report()).unwrap();
    let words = drawing.description();
    for said in ["median 21.0 ms and 99th percentile ", "with 2 users", "78.5 t/s with 1 user"] {
        assert!(words.contains(said), "no {said:?} in {words}");
    }
    assert_eq!(drawing, super::svg::draw(&fixture::report()).unwrap());
    let refused = super::svg::draw(&ServeReport::default()).unwrap_err();
    assert_eq!(refused.to_string(), "there is nothing to draw: no load was served");
}
