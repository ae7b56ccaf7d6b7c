//! `--isolate`: what a user sees of processes of their own, also when one of them is killed.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

#[path = "../llama-bench-rs/tests/isolation_support/processes.rs"]
#[allow(dead_code)]
mod processes;
mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
};

use llama_bench_rs::{
    record::Report,
    report::{read_file, read_str},
};
use processes::{children, is_alive, until};
use support::{ended, example, is_ignored, run, small_sweep, sweep};

/// More in each configuration than can be measured before it is killed, and little enough to be measured to the end.
const MANY: [&str; 15] = [
    "--shape",
    "tiny-llama",
    "-p",
    "8",
    "-n",
    "8",
    "-d",
    "0-60+4",
    "-r",
    "20",
    "-t",
    "1",
    "--order",
    "blocks",
    "--isolate",
];

/// Tests and configurations of a report, in its order.
fn shape(report: &Report) -> Vec<String> {
    report.cells().map(|(run, cell)| format!("{:?} {}", run.header.config, cell.test)).collect()
}

/// Without the figures.
fn words(text: &str) -> Vec<String> {
    let is_figure = |word: &&str| word.chars().any(|c| c.is_ascii_digit());
    let plain =
        |line: &str| line.split_whitespace().filter(|word| !is_figure(word)).collect::<Vec<_>>().join(" ");
    text.lines().map(plain).filter(|line| !line.starts_with("time: ")).collect()
}

#[test]
fn the_output_is_that_of_a_sweep_in_one_process() {
    let flags = ["-ub", "16,32", "-o", "jsonl", "--runs", "2"];
    let in_one = small_sweep(&flags);
    for more in
        [&["--isolate"][..], &["--isolate", "--runs-in", "process"], &["--isolate", "--runs-in", "load"]]
    {
        let own = small_sweep(&[&flags[..], more].concat());
        assert_eq!((own.status, in_one.status), (0, 0), "{more:?}: {}", own.err);
        let [own, in_one] = [&own, &in_one].map(|ran| read_str(&ran.out).unwrap().report);
        assert!(own.is_complete());
        let sorted = |report: &Report| {
            let mut shape = shape(report);
            shape.sort();
            shape
        };
        assert_eq!((own.runs.len(), sorted(&own)), (4, sorted(&in_one)), "{more:?}");
    }
    let table = small_sweep(&["-ub", "16,32", "--isolate", "--no-interleave"]);
    assert!(table.err.contains("--no-interleave has no effect without"), "{}", table.err);
    // What follows it depends on the figures.
    let [own, in_one] = [table, small_sweep(&["-ub", "16,32", "--no-interleave"])].map(|ran| {
        let (table, _) = ran.out.split_once("build:").unwrap();
        words(table)
    });
    assert_eq!(own, in_one);
}

#[test]
fn plans_and_verifications_are_made_in_processes_too() {
    for flag in ["--plan", "--verify"] {
        let [in_one, own] = [&[][..], &["--isolate"]].map(|more| {
            small_sweep(
                &[&["-ub", "16,32", "-m", "missing.gguf", "--shape", "tiny-llama", flag][..], more].concat(),
            )
        });
        assert_eq!((in_one.status, own.status), (1, 1), "{}", own.err);
        assert_eq!(words(&own.out), words(&in_one.out), "{flag}");
        assert!(own.out.len() > 200, "{}", own.out);
    }
}

/// Starts a sweep and reads the rows until the first one is there.
fn started(file: &Path, more: &[&str]) -> (Child, BufReader<impl Read>) {
    let mut command = example("sweep");
    command.args(MANY).args(["-o", "jsonl", "--output"]).arg(file).args(more);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    assert!(out.read_line(&mut line).unwrap() > 0, "it ended by itself");
    (child, out)
}

#[test]
fn a_killed_process_costs_its_configuration_and_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let (child, out) = started(&file, &["-ub", "16,32,64"]);
    let measuring = children(child.id());
    assert_eq!(measuring.len(), 1);
    processes::send(measuring[0], "-KILL");
    let ran = ended(child, out, String::new());
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.err.contains("killed by signal 9 (SIGKILL)"), "{}", ran.err);
    assert!(
        ran.err.contains(" lost; to measure what is missing: ") && ran.err.contains("--resume"),
        "{}",
        ran.err
    );
    let report = read_file(&file).unwrap().report;
    let lost = |i: usize| report.runs[i].cells.iter().filter(|cell| cell.reason().is_some()).count();
    assert_eq!((report.runs.len(), lost(1), lost(2)), (3, 0, 0));
    assert!(lost(0) > 0 && lost(0) < report.runs[0].cells.len(), "the first row stays: {}", lost(0));
    let first = report.runs[0].cells[0].clone();

    let flags = [&MANY[..], &["-ub", "16,32,64", "-o", "none", "--resume", "--output"]].concat();
    let resumed = sweep(flags.into_iter().map(Into::into).chain([file.clone().into_os_string()]));
    assert_eq!(resumed.status, 0, "{}", resumed.err);
    let resumed = read_file(&file).unwrap().report;
    assert!(resumed.is_complete());
    assert_eq!(resumed.cells().count(), report.cells().count());
    assert!(resumed.runs.iter().any(|run| run.cells.contains(&first)), "it was measured again");
}

#[test]
fn a_signal_to_the_sweep_is_an_interruption_for_all() {
    if is_ignored(15) {
        println!("SKIPPED: SIGTERM is ignored here, and by every child");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let (child, out) = started(&file, &["-ub", "16,32,64", "-r", "1000"]);
    let measuring = children(child.id());
    processes::send(child.id(), "-TERM");
    let ran = ended(child, out, String::new());
    assert_eq!(ran.status, 143, "{}", ran.err);
    assert!(measuring.iter().all(|&id| !is_alive(id)));
    let report = read_file(&file).unwrap().report;
    assert_eq!(report.runs.len(), 3);
    assert!(report.cells().all(|(_, cell)| cell.reason().is_none_or(|reason| reason.kind == "cancelled")));
    assert!(ran.err.lines().last().unwrap().ends_with("--resume"), "{}", ran.err);
}

/// Nobody takes the rows any more: measuring on would waste time, in a child too.
#[test]
fn a_sweep_that_nobody_reads_ends_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = example("sweep");
    command.args(MANY).args(["-r", "1000", "-o", "jsonl"]).current_dir(folder.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    let measuring = children(child.id());
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    until(|| measuring.iter().all(|&id| !is_alive(id)), "the process measures on");
}

/// Compares two sides of a tiny model in processes of their own.
fn small_comparison(n_loads: &str, n_reps: &str) -> Command {
    let mut command = example("compare");
    command.args([
        "--b",
        "-ub 64",
        "-p",
        "16",
        "-n",
        "2",
        "-d",
        "0",
        "-t",
        "1",
        "--allow-slower",
        "--isolate",
    ]);
    command.args(["--loads", n_loads, "-r", n_reps]);
    command
}

#[test]
fn both_sides_of_a_comparison_have_processes_of_their_own() {
    let ran = run(&mut small_comparison("2", "2"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("in turn, each in a process of its own, with 2 repetitions"), "{}", ran.out);
    assert!(ran.out.contains("| pp16 |") && ran.out.contains("| tg2 |"), "{}", ran.out);
}

#[test]
fn a_load_that_is_killed_is_named_and_the_others_are_judged() {
    let mut command = small_comparison("4", "200");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until(|| !children(child.id()).is_empty(), "nothing is measured");
    processes::send(children(child.id())[0], "-KILL");
    let ran = support::read(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 1, "{}", ran.err);
    let named =
        ["A", "B"].into_iter().find(|side| ran.err.contains(&format!("compare: {side}, load 1: pp16: ")));
    let named = named.unwrap_or_else(|| panic!("{}", ran.err));
    assert!(
        ran.out.contains(&format!("\n{named}, load 1: ")) && ran.out.contains("killed by signal 9"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("Of 3 whole loads of 4 of each side"), "{}", ran.out);
    let verdicts: Vec<&str> =
        ran.out.lines().filter(|line| line.starts_with("| pp16") || line.starts_with("| tg2")).collect();
    assert!(
        verdicts.len() == 2 && verdicts.iter().all(|row| row.contains("(of 3 of 4 loads)")),
        "{}",
        ran.out
    );
}

#[test]
fn whole_runs_in_processes_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.jsonl");
    let flags = ["--runs", "2", "--runs-in", "process", "-o", "none", "--output", file.to_str().unwrap()];
    assert_eq!(small_sweep(&flags).status, 0);
    let whole = fs::read_to_string(&file).unwrap();
    let part: String = whole.split_inclusive('\n').take(5).collect();
    fs::write(&file, part).unwrap();
    let resumed = small_sweep(&[&flags[..], &["--resume"]].concat());
    assert_eq!(resumed.status, 0, "{}", resumed.err);
    let report = read_file(&file).unwrap().report;
    assert!(report.is_complete());
    assert_eq!((report.runs.len(), report.cells().count()), (2, 8));
}

/// The model that every configuration names, and requests that take a while.
#[test]
fn a_killed_process_costs_its_loads_of_requests_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("served.jsonl");
    let flags = ["-ub", "32,64", "--isolate", "-r", "30", "-o", "none", "--output"];
    let mut command = example("serve_bench");
    command.args(support::SMALL_LOAD).args(flags).arg(&file);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let served = || llama_bench_rs::serve::read_file(&file).map(|report| report.runs).unwrap_or_default();
    let n_done =
        || served().first().map_or(0, |run| run.loads.iter().map(|load| load.repetitions.len()).sum());
    until(|| n_done() > 0, "nothing was served");
    processes::send(children(child.id())[0], "-KILL");
    let ran = support::read(child.wait_with_output().unwrap());
    let runs = served();
    assert_eq!(runs.len(), 2);
    // Between two levels it costs none of them.
    let lost: Vec<_> = runs.iter().flat_map(|run| &run.loads).filter(|load| load.failure.is_some()).collect();
    assert!(lost.len() <= 1 && lost.iter().all(|load| runs[0].loads.contains(load)), "{lost:?}");
    assert_eq!(ran.status, i32::from(!lost.is_empty()), "{}", ran.err);
    for load in &lost {
        assert_eq!(load.failure.as_ref().unwrap().kind, "signal");
        let said = format!("{}: killed by signal 9 (SIGKILL)", load.arrivals);
        assert!(ran.err.contains(&said), "{}", ran.err);
    }
    let others = runs.iter().flat_map(|run| &run.loads).filter(|load| load.failure.is_none());
    assert!(others.clone().count() >= 3 && others.into_iter().all(|load| load.repetitions.len() == 30));
    let resumed =
        run(example("serve_bench").args(support::SMALL_LOAD).args(flags).arg(&file).arg("--resume"));
    assert_eq!(resumed.status, 0, "{}", resumed.err);
    assert!(served().iter().flat_map(|run| &run.loads).all(|load| load.repetitions.len() == 30));
}
