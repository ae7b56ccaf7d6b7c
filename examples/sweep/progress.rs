//! What is going on, on standard error: one line that changes on a terminal, a line now and then elsewhere.

use std::{
    cell::RefCell,
    collections::HashSet,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use llama_bench_rs::{
    bench::{Cancel, Event, ProgressLine, TimeLeft, clock_words},
    record::Test,
};

use crate::args::Args;

/// If the line cannot be redrawn, a new one is printed this often.
const EVERY: Duration = Duration::from_secs(10);

/// On a terminal the line changes at most this often: it takes time between two repetitions.
const NOT_BEFORE: Duration = Duration::from_millis(100);

/// What takes less is over before its forecast is read.
const WORTH_A_FORECAST: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A line that changes.
    Terminal,
    /// A line at each configuration and every ten seconds.
    Lines,
    /// A line for each step.
    Steps,
    Quiet,
}

/// One progress over everything that is measured.
pub struct Progress {
    how: How,
    bar: ProgressBar,
    start: Instant,
    state: RefCell<State>,
    /// Set once nothing more is begun.
    cancel: Cancel,
}

#[derive(Default)]
struct State {
    line: ProgressLine,
    /// The tests that steps are counted among.
    tests: Vec<Test>,
    /// Configurations and their runs that had a line.
    seen: HashSet<(usize, u32)>,
    /// What was said of ceilings: every isolated process sends it again.
    told_ceilings: HashSet<String>,
    shown_at: Option<Duration>,
    /// The printed forecast for the whole.
    told_whole: Option<TimeLeft>,
}

impl Progress {
    pub fn new(args: &Args, cancel: Cancel) -> Self {
        let mut bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let how = match (args.quiet, args.progress, bar.is_hidden()) {
            (true, ..) => How::Quiet,
            (_, true, _) => How::Steps,
            (_, _, true) => How::Lines,
            (_, _, false) => How::Terminal,
        };
        if how != How::Terminal {
            bar = ProgressBar::hidden();
        }
        bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a valid template"));
        Self { how, bar, start: Instant::now(), state: RefCell::default(), cancel }
    }

    /// A step of its own.
    pub fn say(&self, message: String) {
        if matches!(self.how, How::Steps | How::Lines) {
            complain!("sweep: {message}");
        }
        self.show(message);
    }

    fn show(&self, message: String) {
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Clears the line, prints, and restores the line.
    pub fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.bar.suspend(print)
    }

    pub fn event(&self, event: &Event<'_>) {
        let now = self.start.elapsed();
        let mut state = self.state.borrow_mut();
        state.line.hear(event, now);
        if let Event::Waiting = event {
            self.suspend(|| complain!("sweep: waiting for another sweep on this machine to end"));
        }
        if let Event::ProfileUnknown { test, failure } = event {
            self.suspend(|| complain!("sweep: {test} has no profile: {}", failure.message));
        }
        if let Some(warning) = ceilings_warning(event)
            && state.told_ceilings.insert(warning.clone())
        {
            self.suspend(|| complain!("sweep: {warning}"));
        }
        match self.how {
            How::Quiet => {}
            How::Steps => self.step(&mut state, event),
            How::Lines => self.line_now_and_then(&mut state, event, now),
            How::Terminal => self.change_line(&mut state, event, now),
        }
    }

    fn change_line(&self, state: &mut State, event: &Event<'_>, now: Duration) {
        if self.cancel.is_cancelled() {
            return self.show("interrupted, writing what was measured".into());
        }
        self.tell_whole(state, event, now);
        if let Event::Configuration { index, run, .. } = event
            && !state.seen.insert((*index, *run))
        {
            // It has its turn again: what is measured follows at once.
            return;
        }
        // A fill reports each chunk, which may take a millisecond.
        let is_soon = state.shown_at.is_some_and(|at| now - at < NOT_BEFORE);
        let comes_often = matches!(
            event,
            Event::Filling { .. }
                | Event::Measuring { .. }
                | Event::CellSoFar { .. }
                | Event::Making { .. }
                | Event::Loading { .. }
        );
        if !(is_soon && comes_often) {
            state.shown_at = Some(now);
            self.show(state.line.line(now));
        }
    }

    fn line_now_and_then(&self, state: &mut State, event: &Event<'_>, now: Duration) {
        self.tell_whole(state, event, now);
        let is_new = match event {
            Event::Configuration { index, n, run, .. } => state.seen.insert((*index, *run)) && *n > 1,
            _ => false,
        };
        let is_time = now - state.shown_at.unwrap_or_default() >= EVERY;
        let line = if is_new || is_time { state.line.line(now) } else { String::new() };
        if !line.is_empty() {
            state.shown_at = Some(now);
            complain!("sweep: {line}");
        }
    }

    /// What is planned, and as soon as it is known, how long it will take; once more if it turns out to take much more
    /// or less.
    fn tell_whole(&self, state: &mut State, event: &Event<'_>, now: Duration) {
        if let (Event::Campaign([_, _, ..]), Some(plan)) = (event, state.line.plan()) {
            self.suspend(|| complain!("sweep: {plan}"));
        }
        // Later ones at the end of a cell: it takes time between two repetitions.
        let is_time = match event {
            Event::CellDone { .. } => true,
            Event::Measuring { .. } => state.told_whole.is_none(),
            _ => false,
        };
        // What is left is not measured any more.
        if !is_time || self.cancel.is_cancelled() {
            return;
        }
        let Some(whole) = state.line.whole(now) else { return };
        let was = match state.told_whole {
            Some(TimeLeft { expected, range: (low, high), .. }) => {
                let is_as_told = clock_words(whole.expected) == clock_words(expected);
                if is_as_told || (low..=high).contains(&whole.expected) {
                    return;
                }
                format!(", not {}", clock_words(expected))
            }
            None => String::new(),
        };
        state.told_whole = Some(whole);
        if whole.expected >= WORTH_A_FORECAST {
            self.suspend(|| complain!("sweep: this will take {whole} in all{was}"));
        }
    }

    /// A line for each step, llama-bench's --progress.
    fn step(&self, state: &mut State, event: &Event<'_>) {
        let message = match event {
            Event::Planned { cells, .. } => {
                state.tests = cells.to_vec();
                return;
            }
            Event::Configuration { index, n, name, run } if *n > 1 => {
                if !state.seen.insert((*index, *run)) {
                    return;
                }
                format!("configuration {} of {n}: {name}", index + 1)
            }
            // A synthetic model has a path and no file, unless it is kept.
            Event::Loading { path, share } if *share <= 0.0 && !path.exists() => {
                format!("loading {}", path.file_stem().unwrap_or_default().display())
            }
            Event::Loading { path, share } if *share <= 0.0 => format!("loading {}", path.display()),
            Event::Opening { n_ctx } => format!("making a context of {n_ctx} tokens"),
            Event::WorkUnknown(failure) => {
                format!("measuring without a record of the work: {}", failure.message)
            }
            Event::Ceilings { device, n_done: 0, n } => {
                format!("measuring {n} ceilings of {device}")
            }
            Event::WarmingUp => "warming up".into(),
            Event::Profiling { test } => format!("profiling {test}"),
            Event::Measuring { test, rep, n_reps, .. } => {
                let place = place(&state.tests, test).unwrap_or_default();
                format!("{place}{test}: repetition {} of {n_reps}", rep + 1)
            }
            _ => return,
        };
        complain!("sweep: {message}");
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Why ceilings are not what they should be.
fn ceilings_warning(event: &Event<'_>) -> Option<String> {
    match event {
        Event::CeilingsDisturbed { device, n_disturbed, n } => Some(format!(
            "other programs were busy while {n_disturbed} of {n} ceilings of {device} were measured: these may be too \
             low, and the next run measures them again"
        )),
        Event::CeilingsCache { problem } => Some((*problem).to_owned()),
        _ => None,
    }
}

/// `test 2 of 4: `.
fn place(tests: &[Test], test: &Test) -> Option<String> {
    let number = tests.iter().position(|one| one == test)? + 1;
    Some(format!("test {number} of {}: ", tests.len()))
}
