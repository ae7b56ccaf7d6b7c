//! What is going on, on standard error: one line that changes on a terminal, a line now and then elsewhere.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llama_bench_rs::serve::{ServeEvent, ServeTurn, Try, TryVerdict};

use crate::requests::before;

/// If the line cannot be redrawn, a new one is printed this often.
const EVERY: Duration = Duration::from_secs(10);

/// On a terminal the line changes at most this often: it takes time between two steps.
const NOT_BEFORE: Duration = Duration::from_millis(200);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A line that changes.
    Terminal,
    /// A line every ten seconds.
    Lines,
    Quiet,
}

pub struct Progress {
    how: How,
    bar: ProgressBar,
    shown_at: Cell<Instant>,
}

impl Progress {
    pub fn new(is_quiet: bool) -> Self {
        let mut bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let how = match (is_quiet, bar.is_hidden()) {
            (true, _) => How::Quiet,
            (_, true) => How::Lines,
            (_, false) => How::Terminal,
        };
        if how != How::Terminal {
            bar = ProgressBar::hidden();
        }
        bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a valid template"));
        Self { how, bar, shown_at: Cell::new(Instant::now()) }
    }

    /// What is being done; on a terminal only, where it does not stay.
    pub fn show(&self, message: &str) {
        self.bar.set_message(message.to_owned());
        self.bar.tick();
    }

    /// Clears the line, does something, and restores the line.
    pub fn suspend<R>(&self, then: impl FnOnce() -> R) -> R {
        self.bar.suspend(then)
    }

    pub fn event(&self, event: &ServeEvent<'_>) {
        match event {
            ServeEvent::Waiting => {
                self.suspend(|| {
                    complain!("serve_bench: waiting for another measurement on this machine to end");
                });
            }
            ServeEvent::Step { turn, progress } => {
                let pause = if self.how == How::Terminal { NOT_BEFORE } else { EVERY };
                if self.how == How::Quiet || self.shown_at.get().elapsed() < pause {
                    return;
                }
                self.shown_at.set(Instant::now());
                let place = place(turn);
                let message = format!(
                    "{place}: {} of {} requests, {} running, {} waiting",
                    progress.n_complete, progress.n_requests, progress.n_running, progress.n_waiting
                );
                if self.how == How::Lines {
                    complain!("serve_bench: {message}");
                }
                self.show(&message);
            }
            ServeEvent::Opening(turn) if self.how == How::Terminal => {
                self.show(&format!("{}: making a context", place(turn)));
            }
            ServeEvent::Tried(tried) if self.how != How::Quiet => {
                self.suspend(|| complain!("serve_bench: {}", told(tried)));
            }
            _ => {}
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// `ub 512: 8 users, repetition 2 of 3`.
fn place(turn: &ServeTurn<'_>) -> String {
    let of = turn.n_reps.map(|n| format!(" of {n}")).unwrap_or_default();
    before(turn.name, &format!("{}, repetition {}{of}", turn.load.arrivals, turn.rep + 1))
}

/// `8 users: keeps the level (370 of 370 requests kept it)`.
fn told(tried: &Try) -> String {
    let verdict = match tried.verdict {
        TryVerdict::Keeps => "keeps the level",
        TryVerdict::Breaks => "breaks the level",
        TryVerdict::Failed => "could not be served",
        _ => "cannot tell whether it keeps the level",
    };
    format!("{}: {verdict} ({} of {} requests kept it)", tried.arrivals, tried.n_kept, tried.n_requests)
}
