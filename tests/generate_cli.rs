//! The generate example from outside.
#![allow(missing_docs)]

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use support::{example, read, run, tiny_model};

/// With one thread, so that tests do not fight for cores.
fn generate(arguments: &[&str]) -> Command {
    let mut command = example("generate");
    command.args(arguments).args(["--threads", "1"]);
    command
}

#[test]
fn a_prompt_is_answered_on_standard_output() {
    let ran = run(&mut generate(&["--prompt", "Hello there", "--n-gen", "16", "--temp", "0"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(!ran.out.trim().is_empty() && ran.out.ends_with('\n'), "{:?}", ran.out);
    assert!(ran.err.contains("prompt tokens at") && ran.err.contains("generated at"), "{}", ran.err);
}

#[test]
fn the_seed_decides_the_answer() {
    let answer = |seed| run(&mut generate(&["-p", "Hello", "-n", "24", "--temp", "2", "--seed", seed])).out;
    assert_eq!(answer("1"), answer("1"));
    assert_ne!(answer("1"), answer("2"));
}

/// With a template in the file, lines are turns of one conversation.
#[test]
fn lines_of_standard_input_are_prompts() {
    let mut child = generate(&["--n-gen", "4", "--system", "Be brief."])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"one\n\ntwo\n").unwrap();
    let ran = read(child.wait_with_output().unwrap());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.err.matches("prompt tokens at").count(), 2, "{}", ran.err);
}

#[test]
fn a_full_context_ends_the_answer_and_says_so() {
    let ran = run(&mut generate(&["-p", "Hello", "-c", "64", "-n", "5000", "--temp", "2", "--seed", "3"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    // The model may end its turn before.
    let full = ran.err.contains("the context of 256 tokens is full");
    let generated: usize = {
        let (before, _) = ran.err.split_once(" generated at").unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(full || generated < 256, "{}", ran.err);
}

#[test]
#[cfg(unix)]
fn a_reader_that_went_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = run(generate(&["-p", "Hello", "-n", "200"]).stdout(Stdio::from(writer)));
    assert_eq!(ran.status, 0, "{}", ran.err);
}

#[test]
fn what_cannot_be_done_is_said() {
    let refused = |arguments: &[&str], status: i32, says: &str| {
        let ran = run(generate(arguments).stdin(Stdio::null()));
        assert_eq!((ran.status, ran.out.as_str()), (status, ""), "{}", ran.err);
        assert!(ran.err.contains(says), "no {says:?} in: {}", ran.err);
    };
    refused(&["-m", "no/such/model.gguf", "-p", "x"], 1, "no/such/model.gguf");
    refused(&["-p", "x", "--temp", "-1"], 2, "-1");
    refused(&["-p", "x", "--temp=-1"], 1, "temperature = -1");
    refused(&["-p", "x", "--top-p", "7"], 1, "top_p = 7");
    refused(&["-p", "x", "--n-gen", "some"], 2, "some");
    let folder = tempfile::tempdir().unwrap();
    let without_text = tiny_model(folder.path());
    refused(&["-m", without_text.to_str().unwrap(), "-p", "x"], 1, "no vocabulary");
}

#[test]
fn no_lines_are_no_work() {
    let ran = run(generate(&[]).stdin(Stdio::null()));
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{}", ran.err);
}
