//! Ten tasks, each in a few lines.
//!
//! Each example is the body of a function that returns [`Result<(), llama_bench_rs::Error>`](crate::Result); the tests of
//! this crate compile all of them. A synthetic model stands in for `model.gguf` until there is one:
//! [`testing::tiny_model`](crate::testing::tiny_model).
//!
//! # 1. Measure a model at several depths
//! Prompts of 512 tokens and generations of 128, after 0, 4096 and 16384 tokens of context.
//! ```no_run
//! use llama_bench_rs::{Model, Sweep, tg};
//!
//! let model = Model::load("model.gguf")?;
//! let report = Sweep::new(&model).prompt(512).generate(128).depths([0, 4096, 16384]).run()?;
//! for (_, cell) in report.cells() {
//!     println!("{cell}"); // tg128 @ d4096: 276.34 ± 6.80 t/s
//! }
//! let rate = report.cell_of(tg(128).at(4096)).and_then(|cell| cell.throughput());
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 2. Fail a test when a model gets slower
//! In a `#[test]`. The first three runs save the baseline; later ones are compared with it.
//! ```no_run
//! use llama_bench_rs::{Model, testing::{guard, quick_sweep}};
//!
//! let model = Model::load("tests/model.gguf")?;
//! guard("main", quick_sweep(&model).prompt(512).generate(128));
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 3. Hold a model to a speed
//! Fails if generation at a depth of 4096 tokens is slower than 50 tokens per second. Needs no baseline.
//! ```no_run
//! use llama_bench_rs::{Model, Sweep, testing::assert_at_least, tg};
//!
//! let model = Model::load("model.gguf")?;
//! let report = Sweep::new(&model).generate(128).depths([4096]).run()?;
//! assert_at_least(&report, tg(128).at(4096), 50.0);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 4. Compare two configurations
//! Repetitions of both are interleaved: drift of the machine affects both alike. Three runs of each show how far
//! runs lie apart.
//! ```no_run
//! use llama_bench_rs::{bench::Campaign, llama::{ContextParams, FlashAttn}, report};
//!
//! let contexts = [FlashAttn::Off, FlashAttn::On].map(|it| ContextParams::default().flash_attn(it));
//! let measured = Campaign::new()
//!     .models(["model.gguf"])
//!     .contexts(contexts)
//!     .tests(|sweep| sweep.prompt(512).generate(128).depths([0, 4096]))
//!     .runs(3)
//!     .run()?;
//! if let Some(ranking) = report::ranking(&measured.report) {
//!     println!("{ranking}");
//! }
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 5. Find the best of many configurations, and resume after an interruption
//! Finished cells are in the file at once. Run the same program again: it measures only what is missing.
//! ```no_run
//! use llama_bench_rs::{bench::{Campaign, Grid}, llama::ContextParams, report::{self, Format, Journal}};
//!
//! let (mut journal, earlier) = Journal::resume("campaign.jsonl")?;
//! let grid = Grid::new(ContextParams::default()).axis([512, 1024, 2048], ContextParams::n_ubatch);
//! let measured = Campaign::new()
//!     .models(["a.gguf", "b.gguf"])
//!     .contexts(grid)
//!     .tests(|sweep| sweep.prompt(2048).generate(32))
//!     .resume(earlier)
//!     .observer(&mut journal)
//!     .run()?;
//! print!("{}", report::to_string(&measured.report, Format::Markdown)?);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 6. Compare files that were measured separately
//! Runs of the same configuration are compared with each other. llama-bench's own files are read too.
//! ```no_run
//! use llama_bench_rs::{judge::{Rule, compare_reports}, report::read_file};
//!
//! let (before, after) = (read_file("before.json")?.report, read_file("after.json")?.report);
//! for one in compare_reports(&before, &after, Rule::default())?.pairs {
//!     for test in one.judgement.tests {
//!         println!("{}: {} ({})", test.test, test.speedup, test.finding);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # 7. Save a report, and make a page and a picture of it
//! The page needs no network and holds the report as data: [`read_file`](crate::report::read_file) reads it back. Pages
//! and pictures need the feature `pages`.
//! ```no_run
//! use std::fs::write;
//!
//! use llama_bench_rs::{report::{self, Format, html, svg}, testing};
//!
//! let report = testing::quick_sweep(&testing::tiny_model()?).run()?;
//! write("report.json", report::to_string(&report, Format::Json)?)?;
//! write("report.html", html::page(&report)?)?;
//! write("speed.svg", svg::draw(&report, svg::Picture::Depth)?.to_svg())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # 8. Show progress
//! ```no_run
//! use std::time::Instant;
//!
//! use llama_bench_rs::{Model, Sweep, bench::{Event, ProgressLine}};
//!
//! let model = Model::load("model.gguf")?;
//! let (start, mut progress) = (Instant::now(), ProgressLine::new());
//! let mut observe = |event: &Event<'_>| {
//!     progress.hear(event, start.elapsed());
//!     eprint!("\r\x1b[K{}", progress.line(start.elapsed())); // tg128 4/5 · 91 t/s now · 1m10 left
//! };
//! let report = Sweep::new(&model).prompt(512).generate(128).observer(&mut observe).run()?;
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 9. Chat with a model
//! Each turn computes only what the context does not hold yet.
//! ```no_run
//! use llama_bench_rs::{Model, chat::Conversation, llama::{ChatTemplate, Context, ContextParams, Sampler}};
//!
//! let model = Model::load("chat-model.gguf")?;
//! let context = Context::new(&model, &ContextParams::default().n_ctx(4096))?;
//! let sampler = Sampler::chain(&model).temperature(0.7).draw(42)?;
//! let mut chat = Conversation::new(context, sampler, Some(ChatTemplate::of(&model)?))?;
//! let answer = chat.ask("Why is the sky blue?", 256, &mut |text| {
//!     print!("{text}");
//!     std::ops::ControlFlow::Continue(()) // Break stops the answer
//! })?;
//! println!("\n{} tokens", answer.n_generated);
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! # 10. Embed a text
//! With an embedding model such as BERT. A language model decodes instead: `decode_tokens`.
//! ```no_run
//! use llama_bench_rs::{Model, llama::{Context, ContextParams, Pooling}};
//!
//! let model = Model::load("embedding-model.gguf")?;
//! let tokens = model.vocab()?.tokenize("a cat", true, false)?;
//! let params = ContextParams::default().embeddings(true).pooling(Some(Pooling::Mean));
//! let mut context = Context::new(&model, &params)?;
//! context.encode_tokens(&tokens)?;
//! println!("{:?}", context.embeddings_seq(0));
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```

#[cfg(test)]
mod tests {
    /// What a task may take, for a reader to take it in at one look.
    const MOST_LINES: usize = 12;
    const MOST_NAMES: usize = 6;

    /// The lines that a reader sees of each example of this page.
    fn examples() -> Vec<Vec<&'static str>> {
        let page = include_str!("cookbook.rs").lines().map_while(|line| line.strip_prefix("//!"));
        let mut examples = Vec::new();
        let mut is_code = false;
        for line in page.map(str::trim_end) {
            match line.trim_start() {
                fence if fence.starts_with("```") => {
                    is_code = !is_code;
                    if is_code {
                        examples.push(Vec::new());
                    }
                }
                hidden if hidden.starts_with("# ") => {}
                code if is_code && !code.is_empty() => examples.last_mut().unwrap().push(line),
                _ => {}
            }
        }
        examples
    }

    /// The names that a `use` brings in: what stands before a comma, a brace or the end, but no path to a brace.
    fn n_imported(example: &[&str]) -> usize {
        let uses = example.iter().filter_map(|line| line.trim().strip_prefix("use "));
        let names = uses.flat_map(|it| it.split([',', '{', '}', ';'])).map(str::trim);
        names.filter(|name| !name.is_empty() && !name.ends_with("::")).count()
    }

    #[test]
    fn names_are_counted_as_a_reader_counts_them() {
        assert_eq!(n_imported(&[" use a::{B, c::{D, E}, f};", " use std::fs;"]), 5);
    }

    #[test]
    fn each_task_is_short() {
        let examples = examples();
        assert_eq!(examples.len(), 10);
        for example in &examples {
            let text = example.join("\n");
            assert!(example.len() <= MOST_LINES, "{} lines:\n{text}", example.len());
            assert!(n_imported(example) <= MOST_NAMES, "{} names:\n{text}", n_imported(example));
            assert!(!text.contains("unwrap") && !text.contains("expect("), "{text}");
        }
    }
}
