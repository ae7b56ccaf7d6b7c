//! Running the examples as a user does: another process, its output, its exit status.
#![allow(dead_code)]

mod fresh;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
};

/// What builds the examples, for messages.
const BUILD: &str = "`cargo test --test NAME` builds no examples: run `cargo build --examples` first";

/// A built example. Tests lie in `deps/` and examples in `examples/` beside it, wherever the target folder is.
///
/// One that is older than its sources fails the test: it is not the current code.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test
        .ancestors()
        .skip(1)
        .map(|folder| folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("the example {name} is not built. {BUILD}"));
    assert_fresh(name, &path);
    let mut command = Command::new(path);
    // Synthetic models are made once for all tests, and not in the user's own cache.
    command.env("LLAMA_BENCH_CACHE", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// A standard output that nobody reads.
#[cfg(unix)]
pub fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Stdio::from(writer)
}

/// The end of a program whose standard output was read as far as `text`.
pub fn ended(child: Child, mut out: impl Read, mut text: String) -> Ran {
    out.read_to_string(&mut text).unwrap();
    let ran = read(child.wait_with_output().unwrap());
    Ran { out: text, ..ran }
}

/// Looks once per test program: tests start examples often.
fn assert_fresh(name: &str, path: &Path) {
    static FRESH: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let known = |name: &str| FRESH.lock().is_ok_and(|fresh| fresh.contains(name));
    if known(name) {
        return;
    }
    match fresh::newer_source(path) {
        Ok(None) => drop(FRESH.lock().map(|mut fresh| fresh.insert(name.to_owned()))),
        Ok(Some(source)) => panic!("the example {name} is older than {}. {BUILD}", source.display()),
        Err(error) => panic!("cannot tell what the example {name} was built from: {error}. {BUILD}"),
    }
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// What a sweep said on standard error besides what a busy machine makes it say: repetitions may lie far apart, be
/// disturbed, have to wait for another sweep, or be believed less.
pub fn complaints(err: &str) -> Vec<&str> {
    const BUSY: [&str; 4] =
        ["sweep: trust: ", "the spread of ", "Other programs disturbed ", "waiting for another sweep"];
    err.lines().filter(|line| !BUSY.iter().any(|word| line.contains(word))).collect()
}

/// Runs to the end. A program that a signal ended, as an assertion in C does, has no status and fails the test.
pub fn run(command: &mut Command) -> Ran {
    read(command.output().unwrap())
}

/// The same of a process that was watched while it ran.
pub fn read(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    let Some(status) = output.status.code() else { panic!("ended by {}: {err}", output.status) };
    Ran { status, out, err }
}

/// The sweep example with these arguments.
pub fn sweep<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    run(example("sweep").args(arguments))
}

/// What makes a sweep of the tiny model a matter of a second or less.
pub const SMALL: [&str; 12] =
    ["--shape", "tiny-llama", "-p", "16", "-n", "4", "-d", "0,32", "-r", "2", "-t", "1"];

/// The small sweep and more arguments.
pub fn small_sweep(more: &[&str]) -> Ran {
    sweep(SMALL.iter().chain(more))
}

/// What makes serving of the tiny model a matter of a second or less.
pub const SMALL_LOAD: [&str; 14] = [
    "--shape",
    "tiny-llama",
    "--users",
    "1,2",
    "--prompt",
    "16",
    "--generate",
    "4",
    "--requests",
    "4",
    "-r",
    "2",
    "-t",
    "1",
];

/// The serve_bench example with the small load and more arguments.
pub fn small_load(more: &[&str]) -> Ran {
    run(example("serve_bench").args(SMALL_LOAD).args(more))
}

/// The file of a tiny model, made by the library.
pub fn tiny_model(folder: &Path) -> PathBuf {
    use llama_bench_rs::gguf::{Shape, Synthetic};
    let path = folder.join("tiny.gguf");
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
    path
}

/// Whether this process, and with it its children, was started with the signal ignored, as nohup does.
#[cfg(unix)]
pub fn is_ignored(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}
