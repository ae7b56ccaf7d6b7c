//! Streams text from a model: `cargo run --release --example generate -- -m chat-model.gguf`.
//!
//! Reads prompts from standard input, one per line, and answers each; with a chat template in the model's file they are
//! a conversation. Speed goes to standard error.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{
    error::Error,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use llama_bench_rs::{
    gguf::{Shape, Synthetic},
    llama::{
        Backend, ChatMessage, Context, ContextParams, LlamaError, Model, ModelParams, Sampler, SamplerParams,
        Token, Vocab,
    },
};

/// Streams text from a model.
#[derive(Debug, Parser)]
struct Args {
    /// Model file (GGUF); without it a tiny synthetic model, whose answers are noise
    #[arg(short, long)]
    model: Option<PathBuf>,
    /// Answer this and stop, in place of reading standard input
    #[arg(short, long)]
    prompt: Option<String>,
    /// Tokens to generate at most
    #[arg(short, long, default_value_t = 256)]
    n_gen: u32,
    /// Tokens that the context holds
    #[arg(short = 'c', long, default_value_t = 4096)]
    n_ctx: u32,
    /// Threads [default: physical cores]
    #[arg(short, long)]
    threads: Option<u32>,
    /// Layers on the devices; -1 for all
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    n_gpu_layers: i32,
    /// 0 for the most likely token always
    #[arg(long, default_value_t = 0.8)]
    temp: f32,
    /// 0 for all
    #[arg(long, default_value_t = 40)]
    top_k: u32,
    /// 1 for all
    #[arg(long, default_value_t = 0.95)]
    top_p: f32,
    /// 0 for all
    #[arg(long, default_value_t = 0.05)]
    min_p: f32,
    /// Seed of the draws
    #[arg(long, default_value_t = 42)]
    seed: u32,
    /// What the model is told before the conversation
    #[arg(long)]
    system: Option<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => print::exit_code(0),
        // A reader that went away, such as `head`, wants no more.
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

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let path = match &args.model {
        Some(path) => path.clone(),
        None => Synthetic::new(Shape::preset("tiny-llama")?).vocabulary(true).cached()?,
    };
    let backend = Backend::init()?;
    let model = Model::load(&backend, &path, &ModelParams::default().n_gpu_layers(args.n_gpu_layers))?;
    let mut chat = Chat::new(args, &model)?;
    if let Some(prompt) = &args.prompt {
        return chat.answer(prompt);
    }
    let interactive = io::stdin().is_terminal();
    let mut lines = io::stdin().lock().lines();
    loop {
        if interactive {
            print::err(format_args!("> "));
        }
        let Some(line) = lines.next().transpose()? else { return Ok(()) };
        if !line.trim().is_empty() {
            chat.answer(&line)?;
        }
    }
}

/// A conversation in one context.
struct Chat<'a> {
    args: &'a Args,
    model: &'a Model,
    vocab: Vocab,
    context: Context,
    sampler: Sampler,
    /// With a chat template: all that was said.
    messages: Option<Vec<ChatMessage>>,
    /// The conversation as far as the context has seen it.
    seen: String,
}

impl<'a> Chat<'a> {
    fn new(args: &'a Args, model: &'a Model) -> Result<Self, LlamaError> {
        let Args { temp, top_k, top_p, min_p, seed, .. } = *args;
        let sampler = SamplerParams { temperature: temp, top_k, top_p, min_p, seed };
        let messages = args.system.iter().map(|system| ChatMessage::new("system", system)).collect();
        let messages = match model.apply_chat_template(&[ChatMessage::new("user", "")], true) {
            Ok(_) => Some(messages),
            Err(error) => {
                complain!("[prompts are taken as they are: {error}]");
                None
            }
        };
        let mut context = ContextParams::default().n_ctx(args.n_ctx);
        if let Some(n_threads) = args.threads {
            context = context.n_threads(n_threads).n_threads_batch(n_threads);
        }
        Ok(Self {
            args,
            model,
            vocab: model.vocab()?,
            context: Context::new(model, &context)?,
            sampler: Sampler::new(&sampler)?,
            messages,
            seen: String::new(),
        })
    }

    fn answer(&mut self, prompt: &str) -> Result<(), Box<dyn Error>> {
        let text = self.next_text(prompt)?;
        let tokens = self.vocab.tokenize(&text, self.context.n_past() == 0, true)?;
        let start = Instant::now();
        for chunk in tokens.chunks(self.context.n_batch() as usize) {
            self.context.decode_tokens(chunk)?;
        }
        self.context.synchronize()?;
        let prefill = start.elapsed();

        let start = Instant::now();
        let (answer, n_generated) = self.generate()?;
        let generation = start.elapsed();
        writeln!(io::stdout())?;
        let rate = |n: usize, time: f64| n as f64 / time.max(1e-9);
        complain!(
            "[{} prompt tokens at {:.1} t/s, {n_generated} generated at {:.1} t/s]",
            tokens.len(),
            rate(tokens.len(), prefill.as_secs_f64()),
            rate(n_generated, generation.as_secs_f64())
        );
        if let Some(messages) = &mut self.messages {
            self.seen.push_str(&answer);
            messages.push(ChatMessage::new("assistant", answer));
        }
        Ok(())
    }

    /// What the context has not seen yet: the end of the last answer and the prompt, written as the model reads a
    /// conversation. Where the template changes what was said, the context begins anew.
    fn next_text(&mut self, prompt: &str) -> Result<String, LlamaError> {
        let Some(messages) = &mut self.messages else { return Ok(prompt.to_owned()) };
        messages.push(ChatMessage::new("user", prompt));
        let whole = self.model.apply_chat_template(messages, true)?;
        let unseen = match whole.strip_prefix(&self.seen) {
            Some(unseen) => unseen.to_owned(),
            None => {
                self.context.memory_clear(false);
                whole.clone()
            }
        };
        self.seen = whole;
        Ok(unseen)
    }

    /// Streams tokens to standard output until the model ends, the limit or the end of the context.
    fn generate(&mut self) -> Result<(String, usize), Box<dyn Error>> {
        let mut bytes = Vec::new();
        let mut shown = 0;
        let mut n_generated = 0;
        while n_generated < self.args.n_gen as usize {
            let token: Token = self.sampler.sample(&mut self.context, -1)?;
            if self.vocab.is_eog(token) {
                break;
            }
            n_generated += 1;
            bytes.extend(self.vocab.piece(token, false)?);
            shown += show(&bytes[shown..])?;
            match self.context.decode_tokens(&[token]) {
                Err(LlamaError::ContextFull { n_ctx, .. }) => {
                    complain!("\n[the context of {n_ctx} tokens is full: raise -c]");
                    break;
                }
                decoded => decoded?,
            }
        }
        Ok((String::from_utf8_lossy(&bytes).into_owned(), n_generated))
    }
}

/// Writes the whole characters and returns how many bytes they took: a token may end within one.
fn show(bytes: &[u8]) -> io::Result<usize> {
    let mut out = io::stdout().lock();
    let mut taken = 0;
    for chunk in bytes.utf8_chunks() {
        out.write_all(chunk.valid().as_bytes())?;
        taken += chunk.valid().len();
        // Up to three bytes at the end may be the beginning of a character.
        if chunk.invalid().is_empty()
            || (taken + chunk.invalid().len() == bytes.len() && chunk.invalid().len() < 4)
        {
            break;
        }
        out.write_all("\u{FFFD}".as_bytes())?;
        taken += chunk.invalid().len();
    }
    out.flush()?;
    Ok(taken)
}
