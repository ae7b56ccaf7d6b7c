//! Campaigns of many configurations, from outside: killed and resumed, in turn or one after the other.
#![allow(missing_docs)]

mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use llama_bench_rs::report;
use serde_json::Value;
use support::{Ran, example, run, small_sweep};

const CAMPAIGN: &str =
    "--shape tiny-llama -p 16 -n 2 -d 0,32 -r 3 -t 1 -o jsonl -ub 16,32,64,128 --poll 0,50,100 -fa 0,1";
const N_CONFIGURATIONS: usize = 24;
const N_CELLS: usize = 4 * N_CONFIGURATIONS;
const N_REPS: usize = 3;

fn rows(jsonl: &str) -> Vec<Value> {
    // A process that was killed may have left part of a line on its standard output.
    let whole = &jsonl[..jsonl.rfind('\n').map_or(0, |end| end + 1)];
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Times of the repetitions of each cell, by how it differs from the others.
fn samples(rows: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut cells = BTreeMap::new();
    for row in rows {
        let key = ["n_ubatch", "poll", "flash_attn", "n_depth", "n_prompt"].map(|name| row[name].to_string());
        let times = row["samples_ns"].as_array().unwrap().iter().map(|ns| ns.as_u64().unwrap()).collect();
        assert!(cells.insert(key.join(" "), times).is_none(), "{key:?} stands twice");
    }
    cells
}

fn in_file(file: &Path) -> BTreeMap<String, Vec<u64>> {
    samples(&rows(&fs::read_to_string(file).unwrap_or_default()))
}

fn resume(file: &Path, more: &[&str]) -> Ran {
    run(example("sweep").args(CAMPAIGN.split(' ')).args(["--resume", "--output"]).arg(file).args(more))
}

/// Marsaglia's xorshift.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// `LLAMA_BENCH_KILLS=100 cargo test --test campaign_cli -- --nocapture` kills more often and prints what was lost.
#[test]
fn a_campaign_that_is_killed_at_random_moments_loses_no_cell_that_it_has_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("campaign.jsonl"), folder.path().join("out"));
    let n_kills: usize = std::env::var("LLAMA_BENCH_KILLS").map_or(4, |n| n.parse().unwrap());
    let (mut state, mut n_told, mut n_kept) = (0x5EED_u64, 0, 0);
    for kill in 0..n_kills {
        let before = in_file(&file);
        let n_before: usize = before.values().map(Vec::len).sum();
        if n_before == N_CELLS * N_REPS {
            // Once more from the start.
            fs::remove_file(&file).unwrap();
            continue;
        }
        let mut child = example("sweep")
            .args(CAMPAIGN.split(' '))
            .args(["--resume", "--output"])
            .arg(&file)
            .stdout(File::create(&out).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Some while after some more repetitions are in the file.
        let n_more = random(&mut state) as usize % (N_CELLS * N_REPS / 4);
        let count = || in_file(&file).values().map(Vec::len).sum::<usize>();
        while count() < n_before + n_more && child.try_wait().unwrap().is_none() {
            // Looking takes time from the sweep.
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_micros(random(&mut state) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let (told, kept) = (samples(&rows(&fs::read_to_string(&out).unwrap())), in_file(&file));
        for (cell, times) in &before {
            assert!(kept[cell].starts_with(times), "kill {kill}: {cell} lost repetitions");
        }
        for (cell, times) in &told {
            assert_eq!(kept.get(cell), Some(times), "kill {kill}: {cell} was told of");
        }
        n_told += told.len();
        let unfinished = kept.values().filter(|times| times.len() < N_REPS);
        n_kept += unfinished.map(Vec::len).sum::<usize>();
    }
    println!(
        "{n_kills} kills: {n_told} cells told of, none lost; {n_kept} repetitions of unfinished cells kept"
    );
    let before = in_file(&file);
    let ran = resume(&file, &[]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let whole = in_file(&file);
    assert_eq!((whole.len(), rows(&ran.out).len()), (N_CELLS, N_CELLS));
    for (cell, times) in &whole {
        assert_eq!(times.len(), N_REPS, "{cell}");
        assert!(before.get(cell).is_none_or(|known| times.starts_with(known)), "{cell}");
    }
    assert_eq!(report::read_file(&file).unwrap().report.runs.len(), N_CONFIGURATIONS);
}

#[test]
fn configurations_are_resumed_in_another_order_and_with_more_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    let sweep = |sizes: &str| {
        small_sweep(&["-o", "jsonl", "--resume", "--output", file.to_str().unwrap(), "-ub", sizes])
    };
    assert_eq!(sweep("16,32").status, 0);
    let first = in_file(&file);
    let ran = sweep("32,64,16");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let second = in_file(&file);
    assert_eq!((first.len(), second.len()), (8, 12));
    assert!(first.iter().all(|(cell, times)| second[cell] == *times));
    // Fewer are a mistake: what the file holds of the third would be lost from sight.
    let ran = sweep("16,32");
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(ran.err.contains("-ub is 16 and was 64"), "{}", ran.err);
    assert_eq!(in_file(&file), second);
}

#[test]
fn repetitions_are_interleaved_unless_that_is_not_wanted() {
    let flags = ["-o", "jsonl", "-r", "4", "-ub", "16,32", "--share-machine", "--progress"];
    let in_turn = small_sweep(&flags);
    assert_eq!(in_turn.status, 0, "{}", in_turn.err);
    let rows_of = |ran: &Ran| rows(&ran.out).iter().map(|row| row["n_ubatch"].clone()).collect::<Vec<_>>();
    // A depth is done in all of them before the next one begins.
    assert_eq!(rows_of(&in_turn), [16, 16, 32, 32, 16, 16, 32, 32]);
    let one_by_one = small_sweep(&[&flags[..], &["--no-interleave"]].concat());
    assert_eq!(rows_of(&one_by_one), [16, 16, 16, 16, 32, 32, 32, 32]);
    let report = report::read_str(&in_turn.out).unwrap().report;
    assert_eq!(report.runs.len(), 2);
    assert!(report.runs.iter().all(|run| run.cells.len() == 4));
}

#[test]
fn a_plan_names_each_configuration_and_has_totals_without_what_is_impossible() {
    let ran = small_sweep(&["--plan", "-ub", "16,32"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let names: Vec<&str> = ran.out.lines().filter(|line| line.contains("cells of")).collect();
    assert!(names[0].contains(" 16") && names[1].contains(" 32"), "{names:?}");
    for said in ["All 2 configurations: 8 cells", "tokens to fill: 64", "tokens to time: 160"] {
        assert!(ran.out.contains(said), "no {said:?} in {}", ran.out);
    }
    let times = ran.out.lines().filter(|line| line.starts_with("time: about ")).count();
    assert_eq!(times, 3, "each and the sum: {}", ran.out);
    let ran = small_sweep(&["--plan", "-ub", "16,32", "--runs", "3"]);
    assert_eq!(ran.out.matches(", in 3 runs; the counts are of one").count(), 2, "{}", ran.out);
    for said in ["All 2 configurations, 3 runs of each: 24 cells", "tokens to time: 480"] {
        assert!(ran.out.contains(said), "no {said:?} in {}", ran.out);
    }
    // A depth that no test can begin at is not filled to.
    let flags = "--shape tiny-llama -p 8 -n 0 -d 0,1000000 -r 1 --plan".split(' ');
    let ran = support::sweep(flags);
    assert!(ran.out.starts_with("1 cell of "), "{}", ran.out);
    for said in [
        "not possible: pp8 @ d1000000: the model was trained for",
        "tokens to fill: 0\n",
        "tokens to time: 8\n",
    ] {
        assert!(ran.out.contains(said), "no {said:?} in {}", ran.out);
    }
    let ran = support::sweep("--shape tiny-bert -p 16 -n 4 -d 0,32 --plan".split(' '));
    assert!(ran.out.contains("tokens to fill: 0\n") && ran.out.starts_with("1 cell of "), "{}", ran.out);
}
