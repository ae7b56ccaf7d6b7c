//! Energy and what devices did, in every form that a report takes.

mod report_support;

use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::{
        self, Format, Shown, Stat,
        insights::{Statement, insights},
        terminal::{Style, render},
    },
    with,
};
use report_support::{assorted, reference};

/// The reference run with a counter that is updated every 20 ms: 2.1 J a token of generation at depth 0, 2.9 at 32768, and
/// 0.08 J of a prompt.
fn metered() -> Report {
    let mut report = reference();
    let run = &mut report.runs[0];
    run.header.metering = Some(with!(Metering {
        meters: vec![with!(Meter {
            name: "CUDA0".into(),
            source: "nvml".into(),
            is_counted: true,
            update_ns: Some(20_000_000),
            read_ns: Some(90_000),
            idle_uw: Some(40_000_000),
            idle_ns: Some(100_000_000),
            limit_uw: Some(240_000_000),
        })],
        took_ns: Some(120_000_000),
    }));
    for cell in &mut run.cells {
        let joules = match (cell.test.kind, cell.test.n_depth) {
            (TestKind::Tg(n), depth) => (2.1 + 0.8 * f64::from(depth) / 32768.0) * f64::from(n),
            (kind, _) => 0.08 * f64::from(kind.n_tokens()),
        };
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        for sample in &mut measured.samples {
            let (uj, ns) = ((joules * 1e6) as u64, sample.elapsed.as_nanos() as u64);
            sample.energy = vec![with!(Counted {
                meter: "CUDA0".into(),
                uj,
                ns,
                gap_ns: Some(2_000_000),
                prior_uj: Some(uj),
                prior_ns: Some(ns),
            })];
            sample.utc = Some(Duration::from_secs(1_762_164_000) + sample.at.unwrap());
        }
    }
    report
}

#[test]
fn files_hold_energy_and_give_it_back() {
    let report = metered();
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let text = report::to_string(&report, format).unwrap();
        assert_eq!(report::read_str(&text).unwrap().report, report, "{format}");
        for name in ["energy_j", "j_per_token", "j_per_token_lower", "energy_idle_share", "samples_utc_ns"] {
            assert!(text.contains(name), "{format}: {name}");
        }
    }
    let sql = report::to_string(&report, Format::Sql).unwrap();
    assert!(sql.contains("j_per_token REAL") && sql.contains("energy_unknown TEXT"), "{sql}");
    let text = report::to_string(&report, Format::Jsonl).unwrap();
    let row: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name}: {}", row[name]));
    assert!((number("j_per_token") / 2.1 - 1.0).abs() < 0.02, "{}", number("j_per_token"));
    assert!((number("energy_j") - number("j_per_token") * 160.0).abs() < 1e-6);
    assert!(number("j_per_token_lower") < number("j_per_token"));
    assert!(number("j_per_token_upper") > number("j_per_token"));
    assert_eq!((&row["energy_meters"], &row["energy_unknown"]), (&"CUDA0".into(), &serde_json::Value::Null));
    let schema = jsonschema::validator_for(&report::json_schema()).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&report::to_string(&report, Format::Json).unwrap()).unwrap();
    assert!(
        schema.is_valid(&json),
        "{:?}",
        schema.iter_errors(&json).map(|e| e.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn what_the_counter_cannot_resolve_has_a_reason_and_no_figure() {
    let mut report = metered();
    let metering = report.runs[0].header.metering.as_mut().unwrap();
    metering.meters[0].update_ns = Some(400_000_000);
    let text = report::to_string(&report, Format::Jsonl).unwrap();
    let row: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(row["j_per_token"], serde_json::Value::Null);
    let why = row["energy_unknown"].as_str().unwrap();
    assert!(why.contains("shorter than the 400 ms") && why.contains("measure more tokens"), "{why}");
    let said: Vec<String> = insights(&report).iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.contains("is not known, first of")), "{said:?}");
    report.runs[0].header.metering.as_mut().unwrap().unmetered = vec!["RPC0".into()];
    let text = report::to_string(&report, Format::Jsonl).unwrap();
    assert!(text.contains("RPC0 cannot be metered"), "{text}");
}

#[test]
fn markdown_has_the_column_on_request() {
    let of = |shown: Shown| {
        let mut bytes = Vec::new();
        report::write_with(&metered(), Format::Markdown, shown, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert!(!of(Stat::Mean.into()).contains("J/token"));
    let text = of(Shown::from(Stat::Mean).joules(true));
    let line = text.lines().find(|line| line.contains("tg32 @ d32768")).unwrap();
    assert!(text.contains("J/token |\n") && line.contains(" 2.90 ± "), "{text}");
    // What has no energy has an empty cell.
    let mut bytes = Vec::new();
    report::write_with(&assorted(), Format::Markdown, Shown::default().joules(true), &mut bytes).unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains("J/token"));
}

#[test]
fn a_machine_without_counters_says_so_where_energy_is_asked_for() {
    let mut report = metered();
    let header = &mut report.runs[0].header;
    header.metering = Some(Metering::default());
    let why = header.clone().energy_of(&report.runs[0].cells[0]).unwrap().unwrap_err();
    assert!(why.to_string().contains("no counter of energy"), "{why}");
    let rows = report::to_string(&report, Format::Jsonl).unwrap();
    assert!(rows.contains("\"energy_unknown\": \"there is no counter"), "{rows}");
    let all = insights(&report);
    assert!(!all.iter().any(|insight| matches!(insight.statement, Statement::Energy(_))));
}

#[test]
fn sentences_say_what_a_token_takes() {
    let all = insights(&metered());
    let said: Vec<String> = all
        .iter()
        .filter(|insight| matches!(insight.statement, Statement::Energy(_)))
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn terminal_and_page_show_joules_per_token() {
    for width in [60, 80, 200] {
        let text = render(&metered(), Style { width, ..Style::default() });
        assert!(text.contains("J/token") && text.contains("2.9"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
    }
    let page = report::html::page(&metered()).unwrap();
    assert!(page.contains("J/token") && page.contains("W idle with the model loaded"));
    assert!(!report::html::page(&reference()).unwrap().contains("J/token"));
}

#[test]
fn the_device_that_was_throttled_is_named_with_its_share() {
    let mut report = metered();
    for cell in &mut report.runs[0].cells {
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        let mut second = measured.conditions[0].clone();
        measured.conditions[0].device = "CUDA0".into();
        second.device = "CUDA1".into();
        second.throttled.insert("sw_power_cap".into());
        second.throttled_ns.insert("sw_power_cap".into(), 400_000_000);
        second.throttled_ns.insert("thermal".into(), 0);
        second.watched_ns = Some(1_000_000_000);
        measured.conditions.push(second);
    }
    let said: Vec<String> = insights(&report)
        .iter()
        .filter(|insight| matches!(insight.statement, Statement::Conditions(_)))
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn the_header_names_what_the_driver_tells_of_a_device() {
    let mut report = reference();
    let device = &mut report.runs[0].header.host.devices[0];
    device.compute_capability = Some("12.1".into());
    device.integrated = Some(true);
    let line = |report: &Report| {
        let facts = report::header_facts(&report.runs[0]);
        facts.into_iter().find(|fact| fact.label == "Device").unwrap().value
    };
    assert!(line(&report).starts_with("CUDA0, NVIDIA GB10, SM 12.1, integrated, "), "{}", line(&report));
    let device = &mut report.runs[0].header.host.devices[0];
    device.integrated = Some(false);
    (device.memory_bus_bits, device.memory_clock_max_mhz) = (Some(5120), Some(2619));
    device.power_limit_mw = Some(700_000);
    assert_eq!(device.memory_bandwidth(), Some(3_352_320_000_000));
    let text = line(&report);
    assert!(text.contains("discrete") && text.contains("a memory bus of 5120 bits"), "{text}");
    assert!(text.contains("3352 GB/s at most, at most 700 W"), "{text}");
    let text = report::to_string(&report, Format::Json).unwrap();
    assert_eq!(report::read_str(&text).unwrap().report, report);
}
