//! The generate example from outside: prompts, commands, full contexts.
#![allow(missing_docs)]

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use llama_bench_rs::gguf::{Shape, Synthetic};
use support::{Ran, example, read, run, tiny_model};

/// With one thread: tests must not compete for cores.
fn generate(arguments: &[&str]) -> Command {
    let mut command = example("generate");
    command.args(arguments).args(["--threads", "1"]);
    command
}

/// A chat whose input are these bytes.
fn chat(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = generate(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A chat that was ended before reads no more.
    let _ = child.stdin.take().unwrap().write_all(input);
    read(child.wait_with_output().unwrap())
}

/// The lines with the times of an answer.
fn figures(err: &str) -> Vec<&str> {
    err.lines().filter(|line| line.contains("generated")).collect()
}

/// The number before some words.
fn number_before(line: &str, words: &str) -> u32 {
    let (before, _) = line.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {line:?}"));
    before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn a_prompt_is_answered_on_standard_output() {
    let ran = run(&mut generate(&["--prompt", "Hello there", "--n-gen", "16", "--temp", "0"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(!ran.out.trim().is_empty() && ran.out.ends_with('\n'), "{:?}", ran.out);
    let [line] = figures(&ran.err)[..] else { panic!("{}", ran.err) };
    for part in ["first token after ", "prompt tokens at ", "16 generated at ", "context ", " of 4096 tokens"]
    {
        assert!(line.contains(part), "no {part:?} in {line:?}");
    }
    assert!(ran.err.contains("cut at 16 tokens, the most that -n allows"), "{}", ran.err);
    assert!(ran.err.contains("synthetic"), "{}", ran.err);
}

#[test]
fn the_seed_decides_the_answer() {
    let answer = |seed| run(&mut generate(&["-p", "Hello", "-n", "24", "--temp", "2", "--seed", seed])).out;
    assert_eq!(answer("1"), answer("1"));
    assert_ne!(answer("1"), answer("2"));
}

/// Lines are turns of one conversation, and each processes only what is new.
#[test]
fn lines_of_standard_input_are_turns_of_one_conversation() {
    let ran = chat(&["--n-gen", "4", "--system", "Be brief."], b"one\n\ntwo\r\nthree");
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.out.lines().filter(|line| !line.is_empty()).count(), 3, "{:?}", ran.out);
    let [first, second, third] = figures(&ran.err)[..] else { panic!("{}", ran.err) };
    assert!(!first.contains("reused"), "{first}");
    for (before, after) in [(first, second), (second, third)] {
        assert_eq!(number_before(after, " reused)"), number_before(before, " of 4096 tokens"), "{after}");
    }
}

#[test]
fn commands_do_what_they_say() {
    let input =
        b"/stats\none\n/more\n/stats\n/undo\n/undo\n/system\n/system Be kind.\n/system\ntwo\n/history\n\
        /drop 7\n/drop 1\n/reset\n/more\n/nonsense\n//slash\n/help\n/quit\nnever\n";
    let ran = chat(&["-n", "3", "--temp", "0"], input);
    assert_eq!(ran.status, 0, "{}", ran.err);
    for said in [
        "nothing was answered yet",
        "added up over 2 answers:\n",
        " reused from earlier turns\n",
        "  6 tokens generated",
        "took back the last prompt",
        "no prompt to take back",
        "no system message",
        "the system message is set]",
        "\nBe kind.\n",
        "\nuser: two\n",
        "the conversation has 1 turn]",
        "dropped the oldest turn",
        "a new conversation",
        "continuing the answer is not possible",
        "/nonsense: not a command",
        "Ctrl-C stops the answer",
    ] {
        assert!(ran.err.contains(said), "no {said:?} in: {}", ran.err);
    }
    // one, its continuation, two, //slash; nothing after /quit.
    assert_eq!(figures(&ran.err).iter().filter(|line| line.starts_with('[')).count(), 4, "{}", ran.err);
}

#[test]
fn a_context_of_another_size_than_asked_for_is_told() {
    for (asked, holds) in [("64", "256"), ("300", "512"), ("1", "256")] {
        let ran = run(&mut generate(&["-p", "x", "-n", "1", "-c", asked]));
        let note = format!("[-c {asked}: the context holds {holds} tokens, since llama.cpp rounds up");
        assert!(ran.status == 0 && ran.err.contains(&note), "no {note:?} in {}", ran.err);
    }
    for asked in ["256", "0"] {
        let ran = run(&mut generate(&["-p", "x", "-n", "1", "-c", asked]));
        assert!(ran.status == 0 && !ran.err.contains("-c "), "{}", ran.err);
    }
}

#[test]
fn a_model_without_a_template_that_can_be_used_is_told_in_one_plain_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.gguf");
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).vocabulary(true).write_to(&whole).unwrap();
    let whole = std::fs::read(whole).unwrap();
    for (name, find, replace, says) in [
        ("without", "chat_template", "chat_otherwise", "this model has no chat template"),
        ("unknown", "%}<|im_start|>", "%}<|xx_start|>", "llama.cpp does not know this model's chat template"),
    ] {
        let mut bytes = whole.clone();
        let places: Vec<usize> =
            (0..whole.len()).filter(|&at| whole[at..].starts_with(find.as_bytes())).collect();
        assert!(!places.is_empty(), "{find} is not in the file");
        for at in places {
            bytes[at..at + find.len()].copy_from_slice(&replace.as_bytes()[..find.len()]);
        }
        let path = folder.path().join(format!("{name}.gguf"));
        std::fs::write(&path, bytes).unwrap();
        let ran = run(&mut generate(&["-m", path.to_str().unwrap(), "-p", "x", "-n", "2"]));
        let line = format!("[{says}: prompts are sent as they are; --chat-template NAME sets one]");
        assert!(ran.status == 0 && ran.err.lines().any(|one| one == line), "{name}: {}", ran.err);
    }
}

#[test]
fn a_full_context_with_nothing_to_drop_ends_the_answer_and_says_so() {
    let ran = run(&mut generate(&["-p", "Hello", "-c", "256", "-n", "5000", "--temp", "2", "--seed", "3"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let [line] = figures(&ran.err)[..] else { panic!("{}", ran.err) };
    // The model may end its turn before.
    let is_full = ran.err.contains("the context of 256 tokens is full") && ran.err.contains("raise -c");
    assert!(is_full || number_before(line, " generated") < 256, "{}", ran.err);
    assert!(ran.out.ends_with('\n'), "{:?}", ran.out);
}

#[test]
fn a_full_context_drops_the_oldest_turns_and_goes_on() {
    let input = "one and two and three and four\n".repeat(12);
    let ran = chat(&["-c", "256", "-n", "20", "--temp", "0"], input.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("[dropped the "), "{}", ran.err);
    assert!(!ran.err.contains("processed again"), "this memory can shift: {}", ran.err);
    assert_eq!(figures(&ran.err).len(), 12, "every prompt is answered: {}", ran.err);

    let stopped = chat(&["-c", "256", "-n", "20", "--temp", "0", "--when-full", "stop"], input.as_bytes());
    assert_eq!(stopped.status, 1, "prompts were refused: {}", stopped.err);
    assert!(!stopped.err.contains("[dropped the "), "{}", stopped.err);
    assert!(stopped.err.contains("nothing was dropped"), "{}", stopped.err);

    let long = "word ".repeat(400);
    let refused = chat(&["-c", "256", "-n", "4"], format!("one\n{long}\ntwo\n").as_bytes());
    assert_eq!(refused.status, 1, "{}", refused.err);
    assert!(
        refused.err.contains("the prompt alone does not fit: shorten it, or raise -c"),
        "{}",
        refused.err
    );
    assert_eq!(figures(&refused.err).len(), 2, "the others are answered: {}", refused.err);
}

#[test]
fn bytes_that_are_no_text_are_a_message_and_the_chat_goes_on() {
    let ran = chat(&["-n", "4"], b"\xEF\xBB\xBFone\ncaf\xE9\n\xFF\xFE\nN\0L\ntwo\n");
    assert_eq!(ran.status, 1, "three prompts were not answered: {}", ran.err);
    assert!(ran.err.contains("line 2 is not valid UTF-8 (byte 0xe9 at column 4)"), "{}", ran.err);
    assert!(ran.err.contains("line 3 is not valid UTF-8 (byte 0xff at column 1)"), "{}", ran.err);
    assert!(ran.err.contains("must not contain a NUL character"), "{}", ran.err);
    assert_eq!(figures(&ran.err).len(), 2, "{}", ran.err);
}

#[test]
fn templates_are_given_by_name_text_or_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.jinja");
    std::fs::write(&file, "{{ '<|start_header_id|>' }}{{ '<|end_header_id|>' }}").unwrap();
    let n_prompt = |arguments: &[&str]| {
        let ran = run(generate(&["-p", "Hello", "-n", "2"]).args(arguments));
        assert_eq!(ran.status, 0, "{}", ran.err);
        number_before(figures(&ran.err)[0], " prompt token")
    };
    let own = n_prompt(&[]);
    assert_eq!(n_prompt(&["--chat-template", "chatml"]), own);
    let other = n_prompt(&["--chat-template", "llama3"]);
    assert!(other > own);
    assert_eq!(n_prompt(&["--chat-template-file", file.to_str().unwrap()]), other);
    assert!(n_prompt(&["--raw"]) < own);
}

#[test]
fn answers_follow_a_grammar_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer.gbnf");
    std::fs::write(&file, "root ::= \"yes\" | \"no\"").unwrap();
    let ran = chat(&["--grammar-file", file.to_str().unwrap(), "-n", "20"], b"one\ntwo\n");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let answers: Vec<&str> = ran.out.lines().collect();
    assert!(answers.len() == 2 && answers.iter().all(|one| ["yes", "no"].contains(one)), "{answers:?}");
    // The model ended them.
    assert!(!ran.err.contains("[cut at"), "{}", ran.err);

    let ran = run(&mut generate(&[
        "-p",
        "x",
        "-n",
        "40",
        "--ignore-eos",
        "--temp",
        "1.5",
        "--repeat-penalty",
        "1.2",
    ]));
    assert!(ran.status == 0 && ran.err.contains("cut at 40 tokens"), "{}", ran.err);
    let ran = run(&mut generate(&["-p", "x", "--grammar", "root ::= yes"]));
    assert!(ran.status == 1 && ran.err.contains("yes"), "{}", ran.err);
    let ran = run(&mut generate(&["-p", "x", "--repeat-penalty", "0"]));
    assert!(ran.status == 1 && ran.err.contains("repeat = 0"), "{}", ran.err);
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
    refused(&["-p", "x", "--temp", "-1"], 1, "temperature = -1");
    refused(&["-p", "x", "-t", "0"], 2, "0 is not a valid number of threads");
    refused(&["-p", "x", "--temp=-1"], 1, "temperature = -1");
    refused(&["-p", "x", "--top-p", "7"], 1, "top_p = 7");
    refused(&["-p", "x", "--n-gen", "some"], 2, "not a number of tokens");
    refused(&["-p", "x", "-n", "-2"], 2, "-1 for no limit");
    refused(&["-p", "x", "--temp", "warm"], 2, "\"warm\" is not a number: write one, such as 0.8");
    refused(&["-p", "x", "-c", "-1"], 2, "\"-1\" is not a whole number");
    refused(&["-p", "x", "-m", "a.gguf,b.gguf"], 1, "the number of models = ");
    refused(&["-p", "x", "--chat-template", "chatlm"], 1, "chatml");
    refused(&["-p", "x", "--chat-template-file", "no/such/file"], 1, "no/such/file");
    refused(&["-p", "x", "--chat-template", "chatml", "--raw"], 2, "--raw");
    let folder = tempfile::tempdir().unwrap();
    let without_text = tiny_model(folder.path());
    refused(&["-m", without_text.to_str().unwrap(), "-p", "x"], 1, "no vocabulary");
}

#[test]
fn no_lines_are_no_work() {
    let ran = run(generate(&[]).stdin(Stdio::null()));
    assert_eq!((ran.status, ran.out.as_str()), (0, ""), "{}", ran.err);
}

#[test]
fn make_starts_it_by_both_names() {
    for target in ["chat", "llama-cli"] {
        let made = Command::new("make")
            .args(["--dry-run", target, "MODEL=a model.gguf", "ARGS=-n 4"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output();
        let Ok(made) = made else {
            println!("SKIPPED: there is no make");
            return;
        };
        let made = read(made);
        assert_eq!(made.status, 0, "{}", made.err);
        assert!(made.out.contains("--example generate -- --model 'a model.gguf' -n 4"), "{}", made.out);
    }
}
