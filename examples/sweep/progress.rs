//! What is going on, on standard error, when that is a terminal.

use std::cell::RefCell;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llama_bench_rs::{
    bench::{Event, Plan},
    record::{Test, TestKind},
};

/// A generated token takes about as long as this many tokens of a prompt: only the bar's pace depends on it.
const TOKENS_PER_STEP: u64 = 16;

/// One bar that shows the share of the work done and how long is left, or a line for each step.
pub struct Progress {
    bar: ProgressBar,
    /// A line for each step, and the tests that they are counted among.
    lines: Option<RefCell<Vec<Test>>>,
}

impl Progress {
    /// The bar is hidden if standard error is not a terminal; with `lines` there are lines in its place everywhere.
    pub fn new(lines: bool) -> Self {
        let target = if lines { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").expect("a valid template"),
        );
        Self { bar, lines: lines.then(RefCell::default) }
    }

    pub fn say(&self, message: String) {
        if self.lines.is_some() {
            eprintln!("sweep: {message}");
        }
        self.bar.set_message(message);
        self.bar.tick();
    }

    fn bytes(&self, what: &str, done: u64, total: u64) {
        self.tick(format!("{what}: {} of {} MB", done / 1_000_000, total / 1_000_000));
    }

    /// Shows how far a step is, which is no step of its own.
    fn tick(&self, message: String) {
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Clears the line, prints, and lets the bar come back.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bar.suspend(print)
    }

    pub fn event(&self, event: &Event<'_>) {
        match event {
            Event::Waiting => {
                self.suspend(|| complain!("sweep: waiting for another sweep on this machine to end"))
            }
            Event::Making { n_bytes, n_total, .. } => {
                self.bytes("making the synthetic model", *n_bytes, *n_total);
            }
            Event::Loading { path, share } if *share <= 0.0 => {
                self.say(format!("loading {}", path.display()))
            }
            Event::Planned(plan) => self.begin(plan),
            Event::Opening { n_ctx } => self.say(format!("making a context of {n_ctx} tokens")),
            Event::WorkUnknown(failure) => {
                self.say(format!("measuring without a record of the work: {}", failure.message));
            }
            Event::WarmingUp => self.say("warming up".into()),
            Event::Filling { n_done, n_depth } => self.tick(format!("filling to {n_depth}: {n_done} tokens")),
            Event::Measuring { test, rep, n_reps } => {
                let place = self.lines.as_ref().and_then(|tests| place(&tests.borrow(), test));
                self.say(format!("{}{test}: repetition {} of {n_reps}", place.unwrap_or_default(), rep + 1));
                self.bar.inc(work(test.kind));
            }
            _ => {}
        }
    }

    fn begin(&self, plan: &Plan) {
        if let Some(tests) = &self.lines {
            tests.borrow_mut().clone_from(&plan.cells);
        }
        let per_rep: u64 = plan.cells.iter().map(|cell| work(cell.kind)).sum();
        self.bar.set_length(per_rep * u64::from(plan.request.n_reps));
        self.bar.set_position(0);
        let template = "{spinner} {wide_msg} {bar:20} {elapsed} / {eta} left";
        self.bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
        self.bar.reset_eta();
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `test 2 of 4: `.
fn place(tests: &[Test], test: &Test) -> Option<String> {
    let number = tests.iter().position(|one| one == test)? + 1;
    Some(format!("test {number} of {}: ", tests.len()))
}

fn work(kind: TestKind) -> u64 {
    match kind {
        TestKind::Pp(n) | TestKind::Embd(n) => u64::from(n),
        TestKind::Tg(n) => u64::from(n) * TOKENS_PER_STEP,
    }
}
