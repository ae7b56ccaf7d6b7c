//! Ctrl-C in a chat, and a chat at a terminal.
#![allow(missing_docs)]
#![cfg(unix)]

mod support;

use std::{
    fs::File,
    io::{BufRead, BufReader, PipeReader, Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
};

use support::example;

/// Answers that do not end while a test runs.
const ENDLESS: [&str; 8] = ["-n", "1000000", "-c", "65536", "-t", "1", "--temp", "0"];

struct Chat {
    child: Child,
    input: File,
    /// All that it writes, in one order.
    output: BufReader<PipeReader>,
}

impl Chat {
    /// Standard input is a pipe.
    fn start(arguments: &[&str]) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        Self::with_input(arguments, reader.into(), File::from(OwnedFd::from(writer)))
    }

    /// Standard input is a terminal.
    fn at_terminal(arguments: &[&str]) -> Self {
        use rustix::{
            fs::{Mode, OFlags},
            pty,
        };
        let master = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&master).unwrap();
        pty::unlockpt(&master).unwrap();
        let name = pty::ptsname(&master, Vec::new()).unwrap();
        let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        Self::with_input(arguments, terminal.into(), File::from(master))
    }

    fn with_input(arguments: &[&str], stdin: Stdio, input: File) -> Self {
        let (output, writer) = std::io::pipe().unwrap();
        let child = example("generate")
            .args(arguments)
            .stdin(stdin)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let mut chat = Self { child, input, output: BufReader::new(output) };
        chat.wait_for("answers with noise]\n");
        chat
    }

    fn type_line(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// Waits until an answer has begun.
    fn wait_for_text(&mut self) {
        self.output.read_exact(&mut [0]).expect("it ended without an answer");
    }

    /// Waits until it says this.
    fn wait_for(&mut self, words: &str) {
        let mut said = Vec::new();
        while !said.ends_with(words.as_bytes()) {
            let mut byte = [0];
            let n = self.output.read(&mut byte).unwrap();
            assert_eq!(n, 1, "it ended before it said {words:?}: {}", String::from_utf8_lossy(&said));
            said.push(byte[0]);
        }
    }

    /// Ends by itself, with its input still open.
    fn ended(mut self) -> (ExitStatus, String) {
        let mut said = Vec::new();
        self.output.read_to_end(&mut said).unwrap();
        (self.child.wait().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn is_ignored() -> bool {
    let is_ignored = support::is_ignored(2);
    if is_ignored {
        println!("SKIPPED: SIGINT is ignored here, and by every child");
    }
    is_ignored
}

#[test]
fn it_stops_the_answer_and_the_chat_goes_on() {
    if is_ignored() {
        return;
    }
    let mut chat = Chat::start(&ENDLESS);
    for prompt in ["one", "two"] {
        chat.type_line(prompt);
        chat.wait_for_text();
        chat.interrupt();
        chat.wait_for("[stopped; /more continues the answer]\n");
        chat.type_line("/stats");
        chat.wait_for("  first token after");
        chat.wait_for("\n");
    }
    chat.type_line("/quit");
    let (status, said) = chat.ended();
    assert!(status.success(), "{said}");
}

#[test]
fn one_at_the_prompt_ends_the_chat() {
    if is_ignored() {
        return;
    }
    let mut chat = Chat::start(&ENDLESS);
    chat.type_line("/stats");
    chat.wait_for("nothing was answered yet");
    chat.interrupt();
    let (status, said) = chat.ended();
    assert_eq!(status.code(), Some(130), "{said}");
}

#[test]
fn it_ends_a_single_answer_with_its_figures() {
    if is_ignored() {
        return;
    }
    let mut chat = Chat::start(&[&ENDLESS[..], &["-p", "one"]].concat());
    chat.wait_for_text();
    chat.interrupt();
    let (status, said) = chat.ended();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains(" generated at ") && said.contains("[stopped]"), "{said}");
}

#[test]
fn a_terminal_gets_prompts_and_is_asked_before_turns_are_dropped() {
    let mut chat = Chat::at_terminal(&["-c", "256", "-n", "60", "-t", "1", "--temp", "0"]);
    chat.wait_for("/help lists the commands; Ctrl-C stops an answer]\n> ");
    for (prompt, answer, then) in
        [("one", "n", "[nothing was dropped"), ("two", "y", "[dropped the "), ("three", "", "[dropped the ")]
    {
        fill(&mut chat, prompt);
        chat.wait_for("to make room? Y/n] ");
        chat.type_line(answer);
        chat.wait_for(then);
        chat.wait_for("> ");
    }
    chat.type_line("/quit");
    let (status, said) = chat.ended();
    assert!(status.success(), "{said}");
}

/// Reads lines until one says that the context is full, asking again after each answer.
fn fill(chat: &mut Chat, prompt: &str) {
    loop {
        chat.type_line(prompt);
        loop {
            let mut line = Vec::new();
            assert!(
                chat.output.read_until(b'\n', &mut line).unwrap() > 0,
                "it ended before the context was full"
            );
            let line = String::from_utf8_lossy(&line);
            if line.contains("is full") {
                return;
            }
            if line.contains(" generated") {
                break;
            }
        }
    }
}

#[test]
fn what_is_typed_at_a_question_is_done_afterwards() {
    let mut chat = Chat::at_terminal(&["-c", "256", "-n", "10", "-t", "1", "--temp", "0"]);
    chat.wait_for("Ctrl-C stops an answer]\n> ");
    fill(&mut chat, "one");
    chat.wait_for("to make room? Y/n] ");
    // A command that only prints runs at once, and the question stays.
    chat.type_line("/stats");
    chat.wait_for("first token after");
    chat.wait_for("to make room? Y/n] ");
    chat.type_line("hi");
    chat.wait_for("[this will be the next prompt; answer y or n first]");
    chat.wait_for("to make room? Y/n] ");
    chat.type_line("y");
    chat.wait_for("[dropped the ");
    chat.wait_for("> hi\n");
    chat.wait_for(" generated");
    chat.wait_for("> ");
    fill(&mut chat, "two");
    chat.wait_for("to make room? Y/n] ");
    chat.type_line("/quit");
    let (status, said) = chat.ended();
    assert!(status.success() && said.contains("[nothing was dropped"), "{said}");
}
