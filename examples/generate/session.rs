//! A chat: prompts, commands, and what is said about them.

use std::{
    error::Error,
    io::{self, Write},
    ops::ControlFlow,
};

use llama_bench_rs::{
    chat::{Answer, AnswerEnd, Conversation},
    llama::LlamaError,
    units::words::count,
};

use crate::{
    args::{Args, WhenFull},
    commands::{Command, HELP},
    input::{Line, Lines},
    interrupts::Interrupts,
    print,
    stats::{self, Totals},
};

/// What became of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It has an answer, perhaps one that was cut.
    Answered,
    /// Ctrl-C stopped it.
    Stopped,
    /// It cannot be answered; why was said.
    Refused,
}

pub struct Session {
    args: Args,
    chat: Conversation,
    interrupts: Interrupts,
    totals: Totals,
    lines: Lines,
    is_interactive: bool,
}

impl Session {
    pub fn new(args: Args, chat: Conversation, is_interactive: bool) -> io::Result<Self> {
        let interrupts = Interrupts::watch(chat.stop_flag(), is_interactive)?;
        let (totals, lines) = (Totals::default(), Lines::default());
        Ok(Self { args, chat, interrupts, totals, lines, is_interactive })
    }

    /// The next line of standard input, asked for at a terminal.
    pub fn next_line(&mut self) -> io::Result<Line> {
        if self.is_interactive {
            print::err(format_args!("> "));
            if let Some(line) = self.lines.kept() {
                complain!("{line}");
            }
        }
        self.lines.next(io::stdin().lock())
    }

    pub fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Answers a prompt.
    pub fn ask(&mut self, prompt: &str) -> Result<Turned, Box<dyn Error>> {
        let limit = self.args.n_gen;
        if self.args.has_grammar() {
            self.chat.sampler_mut().reset();
        }
        loop {
            let answer = self.show(|chat, on_text| chat.ask(prompt, limit, on_text))?;
            match answer {
                Ok(answer) if answer.end == AnswerEnd::Stopped && answer.n_generated == 0 => {
                    complain!("\n{}", stats::line(&answer));
                    complain!("[stopped before the first token: the prompt counts as not asked]");
                    return Ok(Turned::Stopped);
                }
                Ok(answer) => return self.after(answer),
                Err(LlamaError::ContextFull { n_tokens, n_ctx, .. }) => {
                    if !self.make_room_for_prompt(n_tokens, n_ctx)? {
                        return Ok(Turned::Refused);
                    }
                }
                // Of this prompt only, such as a NUL character in it.
                Err(error @ (LlamaError::Parameter { .. } | LlamaError::Text { .. })) => {
                    complain!("[{error}]");
                    return Ok(Turned::Refused);
                }
                // A context that cannot be used any more would refuse every other prompt too.
                Err(error) if self.is_interactive && !matches!(error, LlamaError::Exception { .. }) => {
                    complain!("[{error}]");
                    return Ok(Turned::Refused);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Runs a turn and writes the text as it is generated.
    fn show(
        &mut self,
        turn: impl FnOnce(
            &mut Conversation,
            &mut dyn FnMut(&str) -> ControlFlow<()>,
        ) -> Result<Answer, LlamaError>,
    ) -> io::Result<Result<Answer, LlamaError>> {
        let mut written = Ok(());
        let mut write = |text: &str| {
            let mut out = io::stdout().lock();
            written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.interrupts.begin();
        let answer = turn(&mut self.chat, &mut write);
        let is_stopped = answer.as_ref().is_ok_and(|answer| answer.end == AnswerEnd::Stopped);
        self.interrupts.end(is_stopped);
        written?;
        if let Ok(answer) = &answer {
            self.totals.add(answer);
        }
        Ok(answer)
    }

    /// What follows an answer: its figures, why it was cut, and more of it once there is room.
    fn after(&mut self, mut answer: Answer) -> Result<Turned, Box<dyn Error>> {
        let mut n_left = self.args.n_gen;
        loop {
            let is_full = answer.end == AnswerEnd::ContextFull;
            // A continued text stays one text on standard output.
            if is_full {
                complain!("");
            } else {
                writeln!(io::stdout())?;
            }
            complain!("{}", stats::line(&answer));
            n_left = n_left.saturating_sub(answer.n_generated);
            match answer.end {
                AnswerEnd::Stopped => {
                    complain!("[stopped{}]", self.hint("/more continues the answer"));
                    return Ok(Turned::Stopped);
                }
                AnswerEnd::Limit => {
                    complain!(
                        "[cut at {}, the most that -n allows{}]",
                        count(self.args.n_gen, "token"),
                        self.hint("/more continues the answer")
                    );
                    return Ok(Turned::Answered);
                }
                AnswerEnd::ContextFull if self.make_room_for_answer()? => {
                    answer = self.show(|chat, on_text| chat.go_on(n_left, on_text))??;
                }
                AnswerEnd::ContextFull => {
                    writeln!(io::stdout())?;
                    return Ok(Turned::Answered);
                }
                _ => return Ok(Turned::Answered),
            }
        }
    }

    /// Says what can be typed next, if a person types.
    fn hint(&self, what: &str) -> String {
        if self.args.prompt.is_none() { format!("; {what}") } else { String::new() }
    }

    /// Makes room for a prompt that does not fit, and for an answer. `false` if there is none to be made.
    fn make_room_for_prompt(&mut self, n_tokens: u32, capacity: u32) -> Result<bool, Box<dyn Error>> {
        complain!(
            "[the context of {capacity} tokens is full: {} and the {n_tokens} of this prompt do not fit]",
            count(self.chat.held_tokens().len() as u64, "token")
        );
        let n_turns = match self.chat.turns_to_free(n_tokens.saturating_add(room(capacity)))? {
            Some(n_turns) => Some(n_turns),
            None => self.chat.turns_to_free(n_tokens.saturating_add(1))?,
        };
        match n_turns {
            Some(n_turns) if self.chat.n_turns() > 0 => self.drop_turns(n_turns.max(1)),
            _ => {
                complain!("[the prompt alone does not fit: shorten it, or raise -c]");
                Ok(false)
            }
        }
    }

    /// Makes room for the rest of an answer.
    fn make_room_for_answer(&mut self) -> Result<bool, Box<dyn Error>> {
        let capacity = self.chat.capacity();
        complain!("[the context of {capacity} tokens is full]");
        let most = self.chat.n_turns() - 1;
        match self.chat.turns_to_free(room(capacity))? {
            Some(n_turns) if n_turns <= most && n_turns > 0 => self.drop_turns(n_turns),
            // Any room is better than none.
            _ if most > 0 => self.drop_turns(most),
            _ => {
                complain!("[the answer ends here: there is no older turn to drop; raise -c]");
                Ok(false)
            }
        }
    }

    /// Drops turns if that is wanted.
    fn drop_turns(&mut self, n_turns: usize) -> Result<bool, Box<dyn Error>> {
        let what = oldest(n_turns);
        let is_wanted = match self.args.when_full {
            WhenFull::Drop => true,
            WhenFull::Stop => false,
            WhenFull::Ask if !self.is_interactive => true,
            WhenFull::Ask => self.is_confirmed(&format!("[drop {what} to make room? Y/n] "))?,
        };
        if is_wanted {
            self.drop_now(n_turns)?;
        } else {
            complain!("[nothing was dropped: /drop, /reset, --when-full drop or a larger -c make room]");
        }
        Ok(is_wanted)
    }

    /// Asks until there is an answer. What was typed for the chat and not for the question is done afterwards.
    fn is_confirmed(&mut self, question: &str) -> Result<bool, Box<dyn Error>> {
        loop {
            print::err(format_args!("{question}"));
            let text = match self.lines.read(io::stdin().lock())? {
                Line::End => return Ok(false),
                Line::Refused(why) => {
                    complain!("[{why}]");
                    continue;
                }
                Line::Text(text) => text,
            };
            match (&*text.trim().to_ascii_lowercase(), Command::parse(&text)) {
                ("" | "y" | "yes", _) => return Ok(true),
                ("n" | "no", _) => return Ok(false),
                (_, Some(command)) if command.only_tells() => self.command(command)?,
                // Dropping other turns, starting again and ending all replace this.
                (_, Some(_)) => {
                    self.lines.keep(text);
                    return Ok(false);
                }
                (_, None) => {
                    complain!("[this will be the next prompt; answer y or n first]");
                    self.lines.keep(text);
                }
            }
        }
    }

    fn drop_now(&mut self, n_turns: usize) -> Result<(), Box<dyn Error>> {
        let dropped = self.chat.drop_oldest(n_turns)?;
        let rest = match dropped.n_to_process {
            0 => String::new(),
            n => format!("; this model's memory cannot shift, so {} are processed again", count(n, "token")),
        };
        complain!("[dropped {}: {} fewer{rest}]", oldest(dropped.n_turns), count(dropped.n_tokens, "token"));
        Ok(())
    }

    /// Does what a command says.
    pub fn command(&mut self, command: Command) -> Result<(), Box<dyn Error>> {
        match command {
            Command::Help => complain!("{HELP}"),
            Command::Stats => complain!("{}", self.totals.show(&self.chat)),
            Command::Reset => {
                self.chat.reset();
                self.totals = Totals::default();
                complain!("[a new conversation]");
            }
            Command::System(None) => match self.chat.system() {
                Some(system) => complain!("{system}"),
                None => complain!("[there is no system message; /system TEXT sets one]"),
            },
            Command::System(Some(text)) => {
                let is_removed = text.is_empty();
                self.chat.set_system((!is_removed).then_some(text));
                let again = match self.chat.n_turns() {
                    0 => "",
                    _ => "; the next turn processes the whole conversation again",
                };
                complain!("[the system message is {}{again}]", if is_removed { "removed" } else { "set" });
            }
            Command::More => {
                let limit = self.args.n_gen;
                match self.show(|chat, on_text| chat.go_on(limit, on_text))? {
                    Ok(answer) => drop(self.after(answer)?),
                    Err(error @ LlamaError::Unsupported { .. }) => complain!("[{error}]"),
                    Err(LlamaError::ContextFull { .. }) => {
                        complain!("[the context is full; /drop makes room]");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Command::Undo if self.chat.undo() => complain!("[took back the last prompt]"),
            Command::Undo => complain!("[there is no prompt to take back]"),
            Command::Drop(n_turns) if n_turns <= self.chat.n_turns() => self.drop_now(n_turns)?,
            Command::Drop(_) => {
                complain!("[the conversation has {}]", count(self.chat.n_turns() as u64, "turn"));
            }
            Command::History => {
                for message in self.chat.messages() {
                    complain!("{}: {}", message.role, message.content);
                }
            }
            Command::Wrong(why) => complain!("[{why}]"),
            Command::Quit => {}
        }
        Ok(())
    }
}

fn oldest(n_turns: usize) -> String {
    if n_turns == 1 { "the oldest turn".into() } else { format!("the {n_turns} oldest turns") }
}

/// Tokens to make room for: enough for several turns, since what cannot shift is processed again each time.
fn room(capacity: u32) -> u32 {
    (capacity / 4).max(1)
}
