//! A chat with a model: `cargo run --release --example generate -- -m chat-model.gguf`.
//!
//! Reads prompts from standard input, one per line, and answers each on standard output; everything else goes to
//! standard error. Lines that begin with `/` are commands: `/help` lists them.

#[macro_use]
#[path = "../support/print.rs"]
mod print;

mod args;
mod commands;
mod input;
mod interrupts;
mod sampling;
mod session;
mod stats;

use std::{
    error::Error,
    fs,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use args::Args;
use commands::Command;
use input::Line;
use llama_bench_rs::{
    chat::Conversation,
    cli,
    llama::{Backend, ChatTemplate, Context, LlamaError, Model},
};
use session::{Session, Turned};

fn main() -> ExitCode {
    match run(cli::parse()) {
        Ok(status) => print::exit_code(status),
        // A reader that closed its end, such as `head`, needs no more.
        Err(error) if is_closed_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("generate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(args: Args) -> Result<u8, Box<dyn Error>> {
    let is_interactive = args.prompt.is_none() && io::stdin().is_terminal();
    let chat = conversation(&args)?;
    if is_interactive {
        complain!(
            "[{}, a context of {} tokens. /help lists the commands; Ctrl-C stops an answer]",
            chat.context().model().description(),
            chat.capacity()
        );
    }
    let prompt = args.prompt.clone();
    let mut session = Session::new(args, chat, is_interactive)?;
    match prompt {
        Some(prompt) => Ok(match session.ask(&prompt)? {
            Turned::Answered => 0,
            Turned::Stopped => interrupts::STATUS,
            Turned::Refused => 1,
        }),
        None => converse(&mut session),
    }
}

/// Answers the lines of standard input.
fn converse(session: &mut Session) -> Result<u8, Box<dyn Error>> {
    let mut status = 0;
    loop {
        let line = match session.next_line()? {
            Line::Text(line) => line,
            Line::Refused(why) => {
                complain!("[{why}]");
                status = 1;
                continue;
            }
            Line::End => break,
        };
        match Command::parse(&line) {
            _ if line.trim().is_empty() => {}
            Some(Command::Quit) => return Ok(0),
            Some(command) => session.command(command)?,
            None => {
                let prompt = line.strip_prefix('/').filter(|rest| rest.starts_with('/')).unwrap_or(&line);
                if session.ask(prompt)? == Turned::Refused {
                    status = 1;
                }
            }
        }
    }
    if session.is_interactive() {
        complain!("");
        return Ok(0);
    }
    Ok(status)
}

fn conversation(args: &Args) -> Result<Conversation, Box<dyn Error>> {
    let given = text_or_file("chat template", &args.chat_template, &args.chat_template_file)?;
    let given = given.map(ChatTemplate::new).transpose()?;
    let grammar = text_or_file("grammar", &args.grammar, &args.grammar_file)?;
    sampling::check(args)?;
    let backend = Backend::init()?;
    let (params, context) = (args.model.one(&backend)?, args.context.one()?.n_ctx(args.n_ctx));
    if args.model.models.is_empty() {
        complain!("[no model is named with -m: a synthetic one answers with noise]");
    }
    let model = args.model.source("tiny-llama")?.load(&params)?;
    let sampler = sampling::sampler(args, grammar.as_deref(), &model)?;
    let template = if args.raw { None } else { given.or_else(|| own_template(&model)) };
    let mut chat = Conversation::new(Context::new(&model, &context)?, sampler, template)?;
    if let Some(note) = other_capacity(args.n_ctx, chat.capacity()) {
        complain!("[{note}]");
    }
    chat.set_system(args.system.clone());
    Ok(chat)
}

/// A text that is given on the command line or in a file.
fn text_or_file(
    what: &str,
    text: &Option<String>,
    file: &Option<PathBuf>,
) -> Result<Option<String>, Box<dyn Error>> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.clone())),
        (None, Some(path)) => match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(format!("cannot read the {what} {}: {error}", path.display()).into()),
        },
        (None, None) => Ok(None),
    }
}

/// What to say of a context that holds more or fewer tokens than `-c` asked for.
fn other_capacity(asked: u32, capacity: u32) -> Option<String> {
    // 0 asks for as many as there are.
    if asked == 0 || asked == capacity {
        return None;
    }
    let why = if capacity > asked {
        "llama.cpp rounds up to a multiple of 256"
    } else {
        "this model has learned no more positions"
    };
    Some(format!("-c {asked}: the context holds {capacity} tokens, since {why}"))
}

fn own_template(model: &Model) -> Option<ChatTemplate> {
    let error = match ChatTemplate::of(model) {
        Ok(template) => return Some(template),
        Err(error) => error,
    };
    let why = match error {
        LlamaError::Text { .. } if model.chat_template(None).is_none() => {
            "this model has no chat template".into()
        }
        LlamaError::Text { .. } => "llama.cpp does not know this model's chat template".into(),
        error => error.to_string(),
    };
    complain!("[{why}: prompts are sent as they are; --chat-template NAME sets one]");
    None
}
