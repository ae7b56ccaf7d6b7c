//! Values of flags: what they are read as, and what a wrong one is told.

use std::time::Duration;

use llama_bench_rs::{cli::OutputFormat, report::Format};

use super::flag_tests::{args, contexts, parse};

#[test]
fn a_priority_list_is_a_list_and_a_second_one_replaces_it() {
    let prio = |line| contexts(line).iter().map(|p| p.prio).collect::<Vec<_>>();
    assert_eq!(prio("--prio -1-1"), [-1, 0, 1]);
    assert_eq!(prio("--prio 0,2 --prio 1,3"), [1, 3]);
}

#[test]
fn a_file_is_told_from_a_format() {
    let read = args("-o csv --output json.md --output-err sql");
    assert_eq!((read.out.format, read.out.output), (OutputFormat::Rows(Format::Csv), Some("json.md".into())));
    assert_eq!(args("--output x.json --output md").out.output, Some("x.json".into()));
}

#[test]
fn percentages_and_times_may_have_their_unit() {
    for line in ["--until 2", "--until 2%", "--until=2%"] {
        let rule = args(line).run.stopping().unwrap().unwrap();
        assert_eq!(rule.target.get(), 0.02, "{line}");
    }
    let rule = args("--until 1% --cell-time 1m").run.stopping().unwrap().unwrap();
    assert_eq!(rule.budget, Some(Duration::from_secs(60)));
    assert_eq!(args("--delay 500ms").run.delay, Duration::from_millis(500));
    assert!(args("--until 1 --max-reps 5").run.stopping().unwrap_err().contains("raise --max-reps"));
    args("--tolerance 5% --repeat-disturbed 20%");
}

#[test]
fn bad_usage_says_what_to_write() {
    for (line, remedy) in [
        ("-d 9-1", "the end is before the start: write 1-9"),
        ("-t 0", "give 1 to 512"),
        ("--poll 200", "give 0 to 100"),
        ("-pg 512", "512,128"),
        ("-fa maybe", "auto, off, on"),
        ("-ctk q9", "q8_0"),
        ("-o xml", "jsonl"),
        ("-oe xml", "jsonl"),
        ("--frob", "--frob"),
        ("-frob 1", "-f"),
        ("--cpu-strict 2", "neither 0 nor 1"),
        ("--cpu-strict", "--cpu-strict <0|1>"),
        ("-nopo maybe", "neither 0 nor 1"),
        ("-mmp x", "neither 0 nor 1"),
        ("-C zz", "hexadecimal digits"),
        ("-ngl all", "is not a number or range"),
        ("-p -n 5", "\"-n\""),
        ("--numa everywhere", "distribute, isolate, numactl"),
        ("--delay soon", "write seconds"),
        ("-dev A//B", "CUDA0/CUDA1"),
        ("-ot exps", "PATTERN=BUFFER"),
        ("stray", "stray"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(remedy), "{line}: {error}");
    }
}
