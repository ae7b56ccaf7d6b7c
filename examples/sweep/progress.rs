//! What is going on, on standard error, when that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llama_bench_rs::{
    bench::{Event, Plan},
    record::TestKind,
};

/// A generated token takes about as long as this many tokens of a prompt: only the bar's pace depends on it.
const TOKENS_PER_STEP: u64 = 16;

/// One bar that shows the share of the work done and how long is left.
pub struct Progress(ProgressBar);

impl Progress {
    /// Hidden where standard error is no terminal.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").expect("a valid template"),
        );
        Self(bar)
    }

    pub fn say(&self, message: String) {
        self.0.set_message(message);
        self.0.tick();
    }

    pub fn bytes(&self, what: &str, done: u64, total: u64) {
        self.say(format!("{what}: {} of {} MB", done / 1_000_000, total / 1_000_000));
    }

    /// Clears the line, prints, and lets the bar come back.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.0.suspend(print)
    }

    pub fn event(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => self.begin(plan),
            Event::Opening { n_ctx } => self.say(format!("making a context of {n_ctx} tokens")),
            Event::WarmingUp => self.say("warming up".into()),
            Event::Filling { n_done, n_depth } => self.say(format!("filling to {n_depth}: {n_done} tokens")),
            Event::Measuring { test, rep, n_reps } => {
                self.say(format!("{test}: repetition {} of {n_reps}", rep + 1));
                self.0.inc(work(test.kind));
            }
            _ => {}
        }
    }

    fn begin(&self, plan: &Plan) {
        let per_rep: u64 = plan.cells.iter().map(|cell| work(cell.kind)).sum();
        self.0.set_length(per_rep * u64::from(plan.request.n_reps));
        self.0.set_position(0);
        let template = "{spinner} {wide_msg} {bar:20} {elapsed} / {eta} left";
        self.0.set_style(ProgressStyle::with_template(template).expect("a valid template"));
        self.0.reset_eta();
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

fn work(kind: TestKind) -> u64 {
    match kind {
        TestKind::Pp(n) | TestKind::Embd(n) => u64::from(n),
        TestKind::Tg(n) => u64::from(n) * TOKENS_PER_STEP,
    }
}
