//! Every command of the README works as written: on tiny models, in an empty folder.
//!
//! The tables below replace a reader's models and files, and make work smaller. A command that is not in them fails the
//! test: add it here.
#![allow(missing_docs)]

#[allow(dead_code)]
#[path = "support/servers.rs"]
mod servers;
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use llama_bench_rs::gguf::{Shape, Synthetic};
use servers::Worker;
use support::{Ran, example, read, run, small_sweep};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What a model file is by a word of its name, the first that fits: its shape, and whether it has a vocabulary.
const MODELS: [(&str, &str, bool); 4] = [
    ("bert", "tiny-bert", false),
    ("embedding", "tiny-bert", true),
    ("chat", "tiny-llama", true),
    ("", "tiny-llama", false),
];

/// The replacement for a shape of gigabytes, by the beginning of its name.
const SHAPES: [(&str, &str); 8] = [
    ("tiny-", ""),
    ("gpt-oss-", "tiny-gpt-oss"),
    ("llama-", "tiny-llama"),
    ("qwen3-", "tiny-llama"),
    ("gemma-3-", "tiny-gemma3"),
    ("mamba2-", "tiny-mamba2"),
    ("granite-4.0-h-", "tiny-llama"),
    ("bert-", "tiny-bert"),
];

/// Flags that make a run short, by program; one that the command has already, under any of its names, stays as it is.
const SHORTER: [(&str, &[&[&str]]); 6] = [
    ("sweep", &[&["-r", "1"], &["-t", "1"], &["--repeat-disturbed", "0"], &["--cell-time", "0.05"]]),
    ("compare", &[&["-r", "1"], &["-t", "1"], &["--loads", "1"]]),
    (
        "serve_bench",
        &[&["-r", "1"], &["-t", "1"], &["--requests", "2"], &["--prompt", "8"], &["--generate", "2"]],
    ),
    ("method_check", &[&["-r", "1"], &["-t", "1"], &["--rounds", "1"]]),
    ("generate", &[&["-n", "4"], &["-t", "1"]]),
    ("embed", &[&["-t", "1"]]),
];

/// Longest prompt and depth that are measured: what is longer shrinks.
const LONGEST_PROMPT: u32 = 512;
const DEPTH_SHRINKS_BY: u32 = 64;

/// The lines of all `sh` blocks, without comments; a line that ends with a backslash continues.
fn commands(readme: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut is_shell, mut continues) = (false, false);
    for line in readme.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_shell = !is_shell && language == "sh";
            continue;
        }
        let line = line.trim();
        if !is_shell || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let text = line.strip_suffix('\\').unwrap_or(line);
        match commands.last_mut().filter(|_| continues) {
            Some(last) => *last = format!("{} {}", last.trim_end(), text.trim_start()),
            None => commands.push(text.to_owned()),
        }
        continues = text.len() < line.len();
    }
    commands
}

/// The words of a command, without a comment behind them.
fn words(command: &str) -> Vec<String> {
    let words = shlex::split(command).unwrap_or_else(|| panic!("a quote has no end: {command}"));
    assert!(words.iter().all(|word| !["|", ">", "<", "&&", ";"].contains(&word.as_str())), "{command}");
    words
}

/// Each number in a list, made smaller.
fn numbers(list: &str, smaller: impl Fn(u32) -> u32) -> String {
    let mut text = String::new();
    let mut rest = list;
    while let Some(from) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(from);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        text += before;
        text += &number[..end].parse().map_or(number[..end].to_owned(), |n| smaller(n).to_string());
        rest = &number[end..];
    }
    text + rest
}

fn prompts(list: &str) -> String {
    numbers(list, |n| n.min(LONGEST_PROMPT))
}

fn depths(list: &str) -> String {
    numbers(list, |n| if n < DEPTH_SHRINKS_BY { n } else { n / DEPTH_SHRINKS_BY })
}

/// `pp2048@4096=50..` with both lengths made smaller and the speeds left.
fn expectations(list: &str) -> String {
    let one = |text: &str| {
        let (test, range) = text.split_once('=').unwrap_or((text, ""));
        let (test, depth) = test.split_once('@').unwrap_or((test, ""));
        let at = if depth.is_empty() { String::new() } else { format!("@{}", depths(depth)) };
        format!("{}{at}={range}", if test.starts_with("pp") { prompts(test) } else { test.to_owned() })
    };
    list.split(',').map(one).collect::<Vec<_>>().join(",")
}

fn shape(name: &str) -> String {
    let known = SHAPES.iter().find(|(beginning, _)| name.starts_with(beginning));
    let (_, small) = known.unwrap_or_else(|| panic!("--shape {name}: say in SHAPES what stands for it"));
    assert!(Shape::preset(name).is_ok(), "--shape {name} is not a shape");
    if small.is_empty() { name.to_owned() } else { (*small).to_owned() }
}

fn each(list: &str, of: impl FnMut(&str) -> String) -> String {
    list.split(',').map(of).collect::<Vec<_>>().join(",")
}

/// Makes a model file of the name that the README gives a reader's.
fn model(folder: &Path, name: &str) -> String {
    let (_, shape, has_vocabulary) = MODELS.iter().find(|(word, ..)| name.contains(word)).unwrap();
    let synthetic = Synthetic::new(Shape::preset(shape).unwrap()).vocabulary(*has_vocabulary);
    synthetic.write_to(folder.join(name)).unwrap();
    name.to_owned()
}

/// The text of results, measured once.
fn results() -> &'static str {
    static RESULTS: OnceLock<String> = OnceLock::new();
    RESULTS.get_or_init(|| small_sweep(&["-o", "json"]).out)
}

/// The arguments of an example, made smaller; files that they read are made in the folder, and servers that they use begin.
fn arguments(program: &str, words: &[String], folder: &Path, servers: &mut Vec<Worker>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !word.starts_with('-') || word == "-" {
            if ["compare", "report"].contains(&program) && word != "-" {
                fs::write(folder.join(word), results()).unwrap();
            }
            all.push(word.clone());
            continue;
        }
        all.push(word.clone());
        let mut next = || words.next().unwrap_or_else(|| panic!("{word} has no value")).as_str();
        match word.as_str() {
            "-m" | "--model" => all.push(each(next(), |name| model(folder, name))),
            "--shape" => all.push(each(next(), shape)),
            "--rpc" => all.push(each(next(), |_| {
                servers.push(Worker::start());
                servers[servers.len() - 1].address.clone()
            })),
            "-p" | "--n-prompt" if program != "generate" => all.push(prompts(next())),
            "-d" | "--n-depth" => all.push(depths(next())),
            "--expect" => all.push(expectations(next())),
            "--html" | "--svg" | "--output" | "-o" | "--until" | "--runs" => all.push(next().to_owned()),
            _ => {}
        }
    }
    let reads_files =
        ["compare", "report"].contains(&program) && all.first().is_some_and(|one| !one.starts_with('-'));
    let (_, shorter) = SHORTER.iter().find(|(name, _)| *name == program).unwrap_or(&("", &[]));
    // A rule of its own says how often a cell is repeated.
    let has_rule = all.iter().any(|word| word == "--until");
    for flag in shorter.iter().filter(|_| !reads_files) {
        let is_useless = match flag[0] {
            "-r" => has_rule,
            "--cell-time" => !has_rule,
            _ => false,
        };
        if !is_useless && !all.iter().any(|word| word == flag[0]) {
            all.extend(flag.iter().map(|word| (*word).to_owned()));
        }
    }
    all
}

/// Runs an example as `cargo run` would.
fn run_example(words: &[String], command: &str) {
    let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let (cargo, own) = (&words[..at], words.get(at + 1..).unwrap_or_default());
    let value = |flag: &str| cargo.iter().skip_while(|word| *word != flag).nth(1);
    if let Some(features) = value("--features") {
        let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
        for feature in features.split(',') {
            assert!(manifest.contains(&format!("\n{feature} = [")), "{command}: no feature {feature}");
        }
    }
    let program = value("--example").unwrap_or_else(|| panic!("{command}: no --example"));
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Vec::new();
    let arguments = arguments(program, own, folder.path(), &mut servers);
    let ran = run(example(program)
        .args(&arguments)
        .current_dir(folder.path())
        .env("LLAMA_BENCH_BASELINES", folder.path().join("baselines"))
        .stdin(Stdio::null()));
    // A tiny model does not have the expected speed, and noise may look like a difference between two of its loads.
    let may_be_slower =
        program == "compare" || arguments.iter().any(|word| word == "--expect" || word == "--baseline");
    let Ran { status, out, err } = ran;
    assert!(
        status == 0 || status == 3 && may_be_slower,
        "{command}\nas {arguments:?}: {status}\n{out}\n{err}"
    );
    for flag in ["--output", "--html", "--svg"] {
        let named = arguments.iter().skip_while(|word| *word != flag).nth(1);
        if let Some(file) = named.filter(|file| *file != "-") {
            assert!(folder.path().join(file).is_file(), "{command}: no {file} was written");
        }
    }
}

/// What `make` would do; the targets themselves run these tests.
fn plan_make(words: &[String], command: &str) {
    let planned = Command::new("make").arg("--dry-run").args(&words[1..]).current_dir(ROOT).output();
    match planned {
        Ok(planned) => {
            let ran = read(planned);
            assert!(ran.status == 0 && !ran.out.is_empty(), "{command}: {}", ran.err);
        }
        Err(error) => println!("SKIPPED {command}: there is no make ({error})"),
    }
}

#[test]
fn every_command_of_the_readme_runs() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let commands = commands(&readme);
    assert!(commands.len() > 5, "{commands:?}");
    for command in &commands {
        let words = words(command);
        let beginning: Vec<&str> = words.iter().map(String::as_str).take(2).collect();
        match beginning[..] {
            ["cargo", "run"] => run_example(&words, command),
            ["make", ..] => plan_make(&words, command),
            // What CI does with the whole workspace, in which this test is.
            ["cargo", "test" | "build"] => {
                let known = ["--workspace", "--release", "--examples"];
                assert!(words[2..].iter().all(|word| known.contains(&word.as_str())), "{command}");
            }
            [script, ..] if script.starts_with("scripts/") => {
                assert!(Path::new(ROOT).join(script).is_file(), "{command}: no such script");
            }
            _ => panic!("{command}: nobody has said here how this is run"),
        }
    }
}

#[test]
fn blocks_and_comments_are_read_as_a_shell_does() {
    let readme = "```sh\nmake sweep   # a comment\n# another\ncargo run \\\n  --example x -- -m 'a b.gguf'\n```\n\
        ```rust\nlet x;\n```\n```text\n$ make sweep\n```\n";
    let commands = commands(readme);
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert_eq!(words(&commands[0]), ["make", "sweep"]);
    assert_eq!(words(&commands[1]), ["cargo", "run", "--example", "x", "--", "-m", "a b.gguf"]);
    assert_eq!(depths("0-32768+8192"), "0-512+128");
    assert_eq!(prompts("128,2048"), "128,512");
    assert_eq!(expectations("pp2048=2000..,tg128@4096=50..60"), "pp512=2000..,tg128@64=50..60");
}
