//! The embed example from outside.
#![allow(missing_docs)]

mod support;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use llama_bench_rs::gguf::{Shape, Synthetic};
use support::{Ran, example, read, run};

fn model(folder: &Path, shape: &str, vocabulary: bool) -> PathBuf {
    let path = folder.join(format!("{shape}.gguf"));
    Synthetic::new(Shape::preset(shape).unwrap()).vocabulary(vocabulary).write_to(&path).unwrap();
    path
}

/// With one thread: tests must not compete for cores.
fn embed(arguments: &[&str]) -> Command {
    let mut command = example("embed");
    command.args(arguments).args(["--threads", "1"]);
    command
}

fn with_input(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child =
        embed(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    read(child.wait_with_output().unwrap())
}

/// The numbers of each row but its own.
fn rows(out: &str) -> Vec<Vec<f64>> {
    let numbers = |line: &str| line.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    out.lines().skip(1).map(numbers).collect()
}

#[test]
fn texts_are_compared_with_each_other() {
    let ran = run(&mut embed(&["the cat sat", "the cat sat", "a dog"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let rows = rows(&ran.out);
    assert_eq!(rows.len(), 3, "{}", ran.out);
    assert!(ran.out.lines().nth(3).unwrap().ends_with("a dog"), "{}", ran.out);
    for (i, row) in rows.iter().enumerate() {
        assert!((row[i] - 1.0).abs() < 1e-9 && row.len() == 3, "{}", ran.out);
        (0..3).for_each(|j| assert!((row[j] - rows[j][i]).abs() < 1e-9, "{}", ran.out));
    }
    assert!((rows[0][1] - 1.0).abs() < 1e-9 && rows[0][2] < 1.0, "{}", ran.out);
    assert!(
        ran.err.contains("3 texts") && ran.err.contains("256 numbers each, pooled by mean"),
        "{}",
        ran.err
    );
}

#[test]
fn lines_of_standard_input_are_texts() {
    let ran = with_input(&[], "one\r\n\n  two \u{2026}\nthree".as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let texts: Vec<_> = ran.out.lines().skip(1).map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(texts, ["one", "two \u{2026}", "three"]);
    let ran = with_input(&[], b"one\nt\xffo\n");
    assert_eq!(
        (ran.status, ran.err.as_str()),
        (1, "embed: line 2 of standard input is not UTF-8: convert it\n")
    );
    let ran = with_input(&[], b"\n \n");
    assert!(ran.status == 1 && ran.err.contains("there are no texts"), "{}", ran.err);
}

#[test]
fn embeddings_come_as_json() {
    let ran = run(&mut embed(&["-o", "json", "a text", "--pooling", "cls"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let all: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let embedding: Vec<f64> = serde_json::from_value(all["embeddings"][0].clone()).unwrap();
    let length: f64 = embedding.iter().map(|x| x * x).sum();
    assert!(embedding.len() == 256 && (length - 1.0).abs() < 1e-5, "{length}");
    assert_eq!((&all["texts"][0], &all["pooling"]), (&"a text".into(), &"cls".into()));
    assert!((all["similarities"][0][0].as_f64().unwrap() - 1.0).abs() < 1e-5);
}

#[test]
fn models_of_every_kind_embed_or_say_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for shape in ["tiny-llama", "tiny-gemma3", "tiny-mamba2", "tiny-t5-encoder", "tiny-llada"] {
        let path = model(folder, shape, true);
        let ran = run(&mut embed(&["-m", path.to_str().unwrap(), "-ngl", "0", "one text", "another one"]));
        assert_eq!(ran.status, 0, "{shape}: {}", ran.err);
        assert!(ran.err.contains("not an embedding model"), "{shape}: {}", ran.err);
        let similarity = rows(&ran.out)[0][1];
        assert!((-1.0..1.0).contains(&similarity), "{shape}: {}", ran.out);
    }
    let path = model(folder, "tiny-rerank", true);
    let reranker = ["-m", path.to_str().unwrap(), "one", "two"];
    let ran = run(&mut embed(&reranker));
    assert!(ran.status == 1 && ran.err.contains("is a reranker") && ran.out.is_empty(), "{}", ran.err);
    assert_eq!(run(embed(&reranker).args(["--pooling", "mean"])).status, 0);
}

#[test]
fn mistakes_are_told() {
    let long = "word ".repeat(600);
    let folder = tempfile::tempdir().unwrap();
    let no_words = model(folder.path(), "tiny-bert", false);
    for (arguments, told) in [
        (&["alone"][..], "one text has nothing to be compared with"),
        (&["a", ""], "text 2 (\"\"): it is empty"),
        (&["a", long.as_str()], "beyond the 512 that this model has learned"),
        (&["a", "b", "-m", "no-such.gguf"], "no-such.gguf"),
        (&["a", "b", "-m", no_words.to_str().unwrap()], "no vocabulary"),
    ] {
        let mut command = example("embed");
        let ran = run(command.args(arguments));
        assert!(
            ran.status == 1 && ran.err.contains(told) && ran.out.is_empty(),
            "{arguments:?}: {}",
            ran.err
        );
    }
    let ran = run(&mut embed(&["a", "b", "-t", "0"]));
    assert!(ran.status == 2 && ran.err.contains("0 is not a valid number of threads"), "{}", ran.err);
    for pooling in ["best", "none", "rank", ""] {
        let ran = run(embed(&["a", "b", "--pooling", pooling]).stdin(Stdio::null()));
        assert!(ran.status == 2 && ran.err.contains("use mean, cls or last"), "{pooling}: {}", ran.err);
    }
}

#[test]
fn help_says_what_it_is_for() {
    let help = run(&mut embed(&["--help"]));
    assert_eq!(help.status, 0);
    let words: Vec<&str> = help.out.split_whitespace().collect();
    let words = words.join(" ");
    for word in ["cosine similarity", "--model", "--pooling", "lines of standard input", "json"] {
        assert!(words.contains(word), "{word}: {}", help.out);
    }
    assert!(help.out.lines().all(|line| line.chars().count() <= 120), "{}", help.out);
}
