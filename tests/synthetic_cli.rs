//! Synthetic models from outside: by stream, as files that are kept, and like a file of which only the beginning is there.
#![allow(missing_docs)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use llama_bench_rs::{
    gguf::{GgufFile, Shape, Synthetic, TensorType},
    llama::ModelParams,
};
use serde_json::Value;
use support::{Ran, example, run};

const SMALL: &str = "-p 8 -n 2 -d 0 -r 2 -t 1";

/// An example whose cache folder is this one.
fn with_cache(name: &str, cache: &Path, flags: &str, more: &[&str]) -> Ran {
    let mut command = example(name);
    run(command.env("LLAMA_BENCH_CACHE", cache).args(flags.split_whitespace()).args(more))
}

fn sweep(cache: &Path, flags: &str) -> Ran {
    with_cache("sweep", cache, &format!("{SMALL} {flags}"), &[])
}

/// The files of models in a folder.
fn models(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("gguf") || name.contains("synthetic")).collect()
}

fn has_streams() -> bool {
    let has = ModelParams::default().needs_file();
    if let Some(why) = has {
        println!("SKIPPED: {why}");
    }
    has.is_none()
}

fn rows(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.status, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// The beginning of a tiny model's file, and the size of its header.
fn beginning(folder: &Path, name: &str, shape: &str) -> (PathBuf, usize) {
    let path = folder.join(name);
    Synthetic::new(Shape::preset(shape).unwrap()).vocabulary(true).write_to(&path).unwrap();
    let header = GgufFile::open(&path).unwrap().data_offset as usize;
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..header]).unwrap();
    (path, header)
}

#[test]
fn a_shape_is_measured_without_a_file_and_with_one_if_that_is_asked_for_or_needed() {
    if !has_streams() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path();
    let stream = rows(&sweep(cache, "--shape tiny-llama -o json"));
    assert_eq!(models(cache), [""; 0], "nothing is written");
    let kept = rows(&sweep(cache, "--shape tiny-llama --keep -o json"));
    assert_eq!(models(cache).len(), 1);
    let mapped = sweep(cache, "--shape tiny-gpt-oss -lm mmap,none -o json");
    assert!(mapped.err.contains("load_mode = mmap takes a file"), "{}", mapped.err);
    assert_eq!(models(cache).len(), 2);
    let mapped = rows(&mapped);
    let of = |rows: &[Value], field: &str| -> Vec<String> {
        rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&stream, "load_source"), ["stream"; 2]);
    assert_eq!(of(&kept, "load_source"), ["file"; 2]);
    // In each mode what it says.
    for row in &mapped {
        let expected = if row["load_mode"] == "mmap" { "file" } else { "stream" };
        assert_eq!(row["load_source"], expected, "{}", row["load_mode"]);
    }
    for field in ["model_filename", "model_type", "model_architecture", "load_mode"] {
        assert_eq!(of(&stream, field), of(&kept, field), "the same model");
    }
}

#[test]
fn a_stream_and_its_file_are_the_same_model_for_a_baseline_and_a_campaign() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path();
    let baselines = cache.join("baselines");
    let with = |flags: &str| {
        sweep(cache, &format!("--shape tiny-llama --baseline-dir {} {flags}", baselines.display()))
    };
    let saved = with("--save-baseline main");
    assert_eq!(saved.status, 0, "{}", saved.err);
    let compared = with("--keep --baseline main --tolerance 10000");
    assert_eq!(compared.status, 0, "{}\n{}", compared.out, compared.err);
    assert!(!compared.err.contains("no baseline"), "{}", compared.err);

    let file = cache.join("results.jsonl");
    let measure = |flags: &str| {
        sweep(cache, &format!("--shape tiny-llama,tiny-mamba2 --output {} {flags}", file.display()))
    };
    assert_eq!(measure("").status, 0);
    for flags in ["--resume", "--resume --keep"] {
        let resumed = measure(flags);
        assert_eq!(resumed.status, 0, "{}", resumed.err);
        assert!(resumed.err.contains("nothing was left to measure"), "{flags}: {}", resumed.err);
    }
}

#[test]
fn a_stream_is_planned_verified_and_run_in_processes() {
    if !has_streams() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for flags in ["--plan", "--verify", "--runs 2 --runs-in process", "--runs 2 --runs-in load"] {
        let ran = sweep(folder.path(), &format!("--shape tiny-gpt-oss {flags}"));
        assert_eq!(ran.status, 0, "{flags}: {}", ran.err);
        assert_eq!(models(folder.path()), [""; 0], "{flags}");
    }
    let sides = ["--a", "--keep", "--b", "", "--loads", "1", "-o", "json"];
    let ran = with_cache("compare", folder.path(), &format!("--shape tiny-llama {SMALL}"), &sides);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(models(folder.path()).len(), 1, "one side keeps it");
}

/// No room is needed for a model that is written nowhere.
#[test]
#[cfg(unix)]
fn a_stream_needs_no_room_on_the_disk() {
    if !has_streams() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"trap '' XFSZ; ulimit -f 8; exec "$0" --shape tiny-llama -p 16 -n 0 -r 1 -t 1"#;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).arg(example("sweep").get_program());
    let ran = run(shell.env("LLAMA_BENCH_CACHE", folder.path()));
    assert_eq!(ran.status, 0, "{}", ran.err);
}

#[test]
fn the_beginning_of_a_file_is_enough_for_every_example() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = beginning(folder.path(), "download.gguf", "tiny-llama");
    let like = format!("--like {}", path.display());
    let measured = rows(&sweep(folder.path(), &format!("{like} -o json")));
    assert_eq!(measured[0]["model_like"], path.to_str().unwrap());
    assert_eq!(measured[0]["model_architecture"], "llama");
    assert_eq!(measured[0]["model_n_vocab"], 1024, "the vocabulary is the file's");
    let examples: [(&str, &str, &[&str]); 5] = [
        ("compare", "-p 8 -n 0 -r 1 -t 1 --loads 1", &["--b", "-ub 8"]),
        ("serve_bench", "--requests 2 --users 1 --prompt 8 --generate 2 -r 1 -t 1 --no-warmup", &[]),
        ("generate", "-n 2 -t 1", &["-p", "once"]),
        ("embed", "-t 1", &["one", "other"]),
        ("method_check", "-p 8 -n 2 -d 0 -t 1 --rounds 1", &[]),
    ];
    for (name, flags, more) in examples {
        let ran = with_cache(name, folder.path(), &format!("{like} {flags}"), more);
        assert!(ran.status <= 1 && !ran.err.contains("unexpected argument"), "{name}: {}", ran.err);
        assert!(!ran.out.is_empty(), "{name}: {}", ran.err);
    }
    // A command to measure it again names it.
    let explained = sweep(folder.path(), &format!("{like} -o term --explain"));
    assert!(!explained.out.contains("-m "), "{}", explained.out);
}

#[test]
fn a_header_that_is_cut_off_says_how_many_bytes_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = beginning(folder.path(), "download.gguf", "tiny-gpt-oss");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..header - 100]).unwrap();
    let like = format!("--like {}", path.display());
    let ran = sweep(folder.path(), &like);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let said = format!("has {} bytes and at least ", header - 100);
    for word in ["download.gguf", "ends within its header", &said, "more are needed"] {
        assert!(ran.err.contains(word), "{word}: {}", ran.err);
    }
    // Loaded as what it is, it lacks its weights.
    fs::write(&path, &bytes).unwrap();
    let ran = sweep(folder.path(), &format!("-m {}", path.display()));
    assert!(ran.err.contains("the file is cut off and lacks "), "{}", ran.err);
    let missing = sweep(folder.path(), "--like no-such-file.gguf");
    assert_eq!(missing.status, 1, "{}", missing.err);
    assert!(missing.err.contains("no-such-file.gguf"), "{}", missing.err);
}

/// One rule for `-m` and `--like`, whether the header or a value in it is wrong: the file costs its own runs.
#[test]
fn a_file_that_cannot_be_used_costs_its_own_runs_however_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = beginning(folder.path(), "cut-off.gguf", "tiny-llama");
    fs::write(&path, &fs::read(&path).unwrap()[..header - 100]).unwrap();
    let impossible = folder.path().join("impossible.gguf");
    let metadata = vec![("llama.attention.head_count".to_owned(), 0_u32.into())];
    let tensors = vec![("token_embd.weight".to_owned(), vec![32, 8], TensorType::F32)];
    Synthetic::new(Shape::from_parts("impossible", "llama", metadata, tensors))
        .write_to(&impossible)
        .unwrap();
    for file in [path.as_path(), &impossible, Path::new("missing.gguf")] {
        for flag in ["-m", "--like"] {
            let alone = sweep(folder.path(), &format!("{flag} {}", file.display()));
            assert_eq!(alone.status, 1, "{flag} {}: {}", file.display(), alone.err);
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(alone.err.contains(name), "{flag}: {}", alone.err);
        }
        let ran = sweep(folder.path(), &format!("--like {} --shape tiny-llama -o json", file.display()));
        assert_eq!(ran.status, 1, "{}", ran.err);
        assert!(ran.out.contains("tiny-llama") && ran.out.contains("avg_ts"), "{}\n{}", ran.out, ran.err);
    }
}

#[test]
fn a_report_names_no_file_that_is_not_there() {
    if !has_streams() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let streamed = sweep(folder.path(), "--shape tiny-llama -o term");
    let said = [streamed.out, streamed.err].concat();
    assert!(!said.contains(".gguf"), "{said}");
    assert!(said.contains("tiny-llama"), "{said}");
}

#[test]
fn one_model_is_one_model_however_it_is_named() {
    for flags in ["-m a.gguf --like b.gguf", "--shape tiny-llama --like b.gguf", "--like a.gguf,b.gguf"] {
        let ran = run(example("generate").args(flags.split(' ')).args(["-p", "x"]));
        assert_ne!(ran.status, 0, "{flags}");
        assert!(ran.err.contains("-m, --shape or --like"), "{flags}: {}", ran.err);
    }
}
