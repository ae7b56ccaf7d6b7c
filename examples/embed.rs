//! Prints how similar texts are: `cargo run --release --example embed -- -m embedding-model.gguf "a cat" "a kitten"`.
//!
//! Turns each text into an embedding and prints the cosine similarity of every two. Texts are arguments, or lines of
//! standard input; facts about the run go to standard error.

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{
    error::Error,
    io::{self, BufRead, IsTerminal},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use llama_bench_rs::{
    cli::{self, ContextArgs, ModelArgs},
    llama::{Backend, Context, Model, Pooling, Token},
    report::terminal,
    units::{text::shortened, words},
};

/// Prints how similar texts are, by the cosine similarity of their embeddings.
///
/// 1 is the same direction, 0 is unrelated. Without -m, a tiny synthetic model is used, whose similarities are noise.
#[derive(Debug, Parser)]
#[command(name = "embed", disable_version_flag = true)]
struct Args {
    /// Texts to compare; without any, lines of standard input
    texts: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    context: ContextArgs,
    /// Pooling: mean, cls or last
    ///
    /// How the embeddings of a text's tokens become one; by default the model's own, else mean.
    #[arg(long, value_name = "HOW", value_parser = pooling)]
    pooling: Option<Pooling>,
    /// What to print
    #[arg(short, long = "output-format", value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Format {
    /// Similarities, three digits
    Table,
    /// Texts, embeddings and similarities, all digits
    Json,
}

/// A way to pool that leaves one embedding for a text.
fn pooling(name: &str) -> Result<Pooling, String> {
    match name.parse() {
        Ok(pooling @ (Pooling::Mean | Pooling::Cls | Pooling::Last)) => Ok(pooling),
        Ok(Pooling::None) => Err("it leaves an embedding for each token: use mean, cls or last".into()),
        Ok(Pooling::Rank) => Err("it leaves a score and no embedding: use mean, cls or last".into()),
        Ok(_) | Err(_) => Err("not a way to pool: use mean, cls or last".into()),
    }
}

type Failed = Box<dyn Error>;

fn main() -> ExitCode {
    match run(&cli::parse()) {
        Ok(()) => print::exit_code(0),
        Err(error) => {
            complain!("embed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failed> {
    let texts = if args.texts.is_empty() { lines()? } else { args.texts.clone() };
    match (texts.len(), args.output) {
        (0, _) => {
            return Err("there are no texts: give them as arguments, or as lines of standard input".into());
        }
        (1, Format::Table) => {
            let why =
                "one text has nothing to be compared with: give another one, or -o json for its embedding";
            return Err(why.into());
        }
        _ => {}
    }
    let backend = Backend::init()?;
    let params = args.model.one(&backend)?;
    if args.model.models.is_empty() {
        complain!("No model is named with -m: the similarities of a synthetic one are noise.");
    }
    let model = args.model.source("tiny-bert")?.load(&params)?;
    let tokens = tokens(&model, &texts)?;
    let mut embedder = Embedder::new(&model, args, tokens.iter().map(Vec::len).max().unwrap_or(1))?;
    let start = Instant::now();
    let embeddings = texts
        .iter()
        .zip(&tokens)
        .enumerate()
        .map(|(i, (text, tokens))| {
            embedder.embed(tokens).map_err(|error| of_text(i, text, &error.to_string()))
        })
        .collect::<Result<Vec<_>, Failed>>()?;
    let n_tokens = tokens.iter().map(Vec::len).sum();
    say_facts(&model, &embedder, &embeddings, n_tokens, start.elapsed());
    let similarities: Vec<Vec<f64>> =
        embeddings.iter().map(|a| embeddings.iter().map(|b| similarity(a, b)).collect()).collect();
    match args.output {
        Format::Table => {
            let is_terminal = io::stdout().is_terminal();
            let width = is_terminal.then(|| terminal::Style::of(&io::stdout()).width);
            print::out(format_args!("{}", table(&texts, &similarities, width)));
        }
        Format::Json => {
            let all = serde_json::json!({
                "model": model.path(),
                "pooling": embedder.context.pooling().name(),
                "texts": texts,
                "embeddings": embeddings,
                "similarities": similarities,
            });
            say!("{all}");
        }
    }
    Ok(())
}

/// The lines of standard input that are not empty.
fn lines() -> Result<Vec<String>, Failed> {
    if io::stdin().is_terminal() {
        complain!("One text a line; end with Ctrl-D.");
    }
    let mut texts = Vec::new();
    for (i, line) in io::stdin().lock().split(b'\n').enumerate() {
        let text = String::from_utf8(line?)
            .map_err(|_| format!("line {} of standard input is not UTF-8: convert it", i + 1))?;
        let text = text.trim();
        if !text.is_empty() {
            texts.push(text.to_owned());
        }
    }
    Ok(texts)
}

fn tokens(model: &Model, texts: &[String]) -> Result<Vec<Vec<Token>>, Failed> {
    let vocab = model.vocab()?;
    let of = |(i, text): (usize, &String)| {
        let tokens = vocab.tokenize(text, true, false)?;
        if text.trim().is_empty() || tokens.is_empty() {
            return Err(of_text(i, text, "it is empty: leave it out"));
        }
        Ok(tokens)
    };
    texts.iter().enumerate().map(of).collect()
}

fn of_text(i: usize, text: &str, problem: &str) -> Failed {
    format!("text {} ({:?}): {problem}", i + 1, shortened(text, 24)).into()
}

/// A context that computes one text at a time.
struct Embedder {
    context: Context,
    encodes: bool,
}

impl Embedder {
    fn new(model: &Model, args: &Args, n_longest: usize) -> Result<Self, Failed> {
        let pooling = match args.pooling {
            None if model.pooling() == Pooling::Rank => {
                return Err("this model is a reranker, which scores pairs and has no embeddings: use an embedding model, \
                            or --pooling mean"
                    .into());
            }
            None if model.pooling() == Pooling::None => {
                complain!("This is not an embedding model: the mean of its last layer is compared.");
                Some(Pooling::Mean)
            }
            pooling => pooling,
        };
        // A text is computed at once, since pooling needs all of it.
        let n_tokens = u32::try_from(n_longest)?;
        let params = args
            .context
            .one()?
            .n_ctx(n_tokens)
            .n_batch(n_tokens)
            .n_ubatch(n_tokens)
            .embeddings(true)
            .pooling(pooling);
        let encodes = model.has_encoder() || !model.keeps_memory();
        Ok(Self { context: Context::new(model, &params)?, encodes })
    }

    /// The embedding of a text, of length 1.
    fn embed(&mut self, tokens: &[Token]) -> Result<Vec<f32>, Failed> {
        if self.encodes {
            self.context.encode_tokens(tokens)?;
        } else {
            self.context.memory_clear(false);
            self.context.decode_tokens(tokens)?;
        }
        let embedding = self.context.embeddings_seq(0).ok_or("llama.cpp left no embedding of it")?.to_vec();
        let length = embedding.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            return Err("its embedding is not a direction: the weights are damaged".into());
        }
        Ok(embedding.iter().map(|x| (f64::from(*x) / length) as f32).collect())
    }
}

/// Of two directions of length 1.
fn similarity(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>().clamp(-1.0, 1.0)
}

fn say_facts(model: &Model, embedder: &Embedder, embeddings: &[Vec<f32>], n_tokens: usize, time: Duration) {
    let width = embeddings.first().map_or(0, Vec::len);
    complain!(
        "{}: {} texts, {n_tokens} tokens in {}; {width} numbers each, pooled by {}",
        model.path().file_name().unwrap_or_default().display(),
        embeddings.len(),
        words::duration(time),
        embedder.context.pooling().name()
    );
}

/// One row and one column a text. If a screen has no room for all columns, the others stand below; only then are texts
/// cut.
fn table(texts: &[String], similarities: &[Vec<f64>], width: Option<usize>) -> String {
    let (n, digits) = (texts.len(), texts.len().to_string().len());
    let (first, column) = (digits.max(4), digits.max(6) + 1);
    let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(first));
    let n_beside = (room.saturating_sub(2 + longest.min(SHORTEST)) / column).clamp(1, n);
    let text_room = room.saturating_sub(2 + n_beside * column).max(SHORTEST);
    let mut table = String::new();
    for from in (0..n).step_by(n_beside) {
        let columns = from..(from + n_beside).min(n);
        let numbers: String = columns.clone().map(|i| format!("{:>column$}", i + 1)).collect();
        if from > 0 {
            table.push('\n');
        }
        table += &format!("{:>first$}{numbers}  text\n", "");
        for (i, (row, text)) in similarities.iter().zip(texts).enumerate() {
            let row: String = row[columns.clone()].iter().map(|one| format!("{one:>column$.3}")).collect();
            table += &format!("{:>first$}{row}  {}\n", i + 1, shortened(text, text_room));
        }
    }
    table
}

/// Fewest characters of a text that are shown.
const SHORTEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: usize, width: Option<usize>) -> String {
        let texts: Vec<String> = (0..n).map(|i| format!("text {i} {}", "that goes on ".repeat(9))).collect();
        table(&texts, &vec![vec![0.5; n]; n], width)
    }

    #[test]
    fn a_table_fits_the_screen_and_has_every_pair() {
        for (n, width) in [(2, 60), (3, 80), (12, 80), (40, 60), (3, 200)] {
            let table = of(n, Some(width));
            assert!(table.lines().all(|line| line.chars().count() <= width), "{n} at {width}: {table}");
            assert_eq!(table.matches("0.500").count(), n * n, "{table}");
        }
    }

    #[test]
    fn texts_are_cut_only_for_a_screen() {
        assert!(!of(12, None).contains('\u{2026}') && of(12, None).lines().count() == 13);
        assert!(of(3, Some(80)).contains('\u{2026}') && !of(3, Some(400)).contains('\u{2026}'));
    }
}
