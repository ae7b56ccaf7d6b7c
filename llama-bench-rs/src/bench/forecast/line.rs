//! The progress of a campaign in one line.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Extent, Forecast, Position, TimeLeft};
use crate::{
    bench::Event,
    record::Test,
    units::{
        TokensPerSecond,
        words::{count, speed},
    },
};

pub use crate::units::words::clock as clock_words;

/// What a program shows while it measures: `[3/12 ub 128 fa 1] tg32 @ d512 4/5 · 91 t/s now · 1m10 left`.
///
/// ```no_run
/// use std::time::Instant;
///
/// use llama_bench_rs::{bench::{Event, ProgressLine, Sweep}, llama::Model};
///
/// let model = Model::load("model.gguf")?;
/// let (start, mut progress) = (Instant::now(), ProgressLine::new());
/// let mut observe = |event: &Event<'_>| {
///     progress.hear(event, start.elapsed());
///     eprint!("\r\x1b[K{}", progress.line(start.elapsed()));
/// };
/// let report = Sweep::new(&model).prompt(512).generate(128).observer(&mut observe).run()?;
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProgressLine {
    forecast: Forecast,
    stage: String,
    /// The speed of the latest repetition of the test that is being run.
    rate: Option<TokensPerSecond>,
    /// The latest repetition of each test by configuration and run.
    reps: BTreeMap<(usize, u32, Test), u32>,
}

impl ProgressLine {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an event that happened at this time of the caller's clock.
    pub fn hear(&mut self, event: &Event<'_>, now: Duration) {
        self.forecast.hear(event, now);
        let stage = match event {
            Event::Waiting => "waiting for another sweep to end".into(),
            // While configurations take turns, the next event names the stage again.
            Event::Configuration { .. } | Event::Planned { .. } => String::new(),
            Event::Making { n_bytes, n_total, .. } => {
                let mb = |bytes: u64| bytes / 1_000_000;
                format!("making the synthetic model: {} of {} MB", mb(*n_bytes), mb(*n_total))
            }
            Event::Loading { path, share } => {
                let name = path
                    .file_name()
                    .map_or_else(|| path.display().to_string(), |name| name.display().to_string());
                format!("loading {name}: {:.0} %", f64::from(*share) * 100.0)
            }
            Event::Opening { n_ctx } => format!("making a context of {n_ctx} tokens"),
            Event::Ceilings { device, n_done, n } => {
                format!("measuring ceilings of {device}: {} of {n}", n_done + 1)
            }
            Event::WarmingUp => "warming up".into(),
            Event::Profiling { test } => format!("profiling {test}"),
            Event::Filling { n_done, n_depth } => format!("filling {n_done}/{n_depth} tokens"),
            Event::Measuring { test, rep, n_reps, last } => {
                let n_tokens = u64::from(test.n_tokens());
                self.rate = last.and_then(|last| TokensPerSecond::from_elapsed(n_tokens, last));
                let (index, run) = self.forecast.position().map_or((0, 0), |it| (it.index, it.run.0));
                // Without a word it would look stuck.
                let is_repeated = self.reps.insert((index, run, **test), *rep) == Some(*rep);
                format!("{test} {}/{n_reps}{}", rep + 1, if is_repeated { ", repeated" } else { "" })
            }
            _ => return,
        };
        if !matches!(event, Event::Measuring { .. }) {
            self.rate = None;
        }
        self.stage = stage;
    }

    /// The line as it stands, without a line break.
    pub fn line(&mut self, now: Duration) -> String {
        let place = self.forecast.position().map(place).unwrap_or_default();
        let rate = self.rate.map(|rate| format!("{} t/s now", speed(rate)));
        let left = self.forecast.left(now).map(|left| format!("{} left", in_words(left)));
        let parts = [Some(self.stage.clone()), rate, left];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let gap = if place.is_empty() || parts.is_empty() { "" } else { " " };
        format!("{place}{gap}{}", parts.join(" · "))
    }

    /// What is planned: `12 configurations, 48 cells, 240 repetitions`; `None` before the plan is known.
    pub fn plan(&self) -> Option<String> {
        let Extent { n_configurations, n_cells, n_repetitions, is_at_most } = self.forecast.extent()?;
        let configurations = match n_configurations {
            1 => String::new(),
            n => format!("{}, ", count(n, "configuration")),
        };
        let most = if is_at_most { " at most" } else { "" };
        let (cells, repetitions) = (count(n_cells, "cell"), count(n_repetitions as usize, "repetition"));
        Some(format!("{configurations}{cells}, {repetitions}{most}"))
    }

    /// What the whole takes, from the beginning on; `None` as long as a kind of test has not been run once.
    pub fn whole(&mut self, now: Duration) -> Option<TimeLeft> {
        let TimeLeft { expected, range: (low, high), at_most } = self.forecast.left(now)?;
        let at_most = at_most.map(|most| most + now);
        Some(TimeLeft { expected: expected + now, range: (low + now, high + now), at_most })
    }

    /// The estimate behind the line.
    pub fn forecast(&mut self) -> &mut Forecast {
        &mut self.forecast
    }
}

/// `[3/12 ub 128 fa 1, run 2/3]`; empty for one run of one configuration.
fn place(position: Position<'_>) -> String {
    let Position { index, n, name, run: (run, n_runs) } = position;
    let configuration = (n > 1).then(|| format!("{}/{n} {name}", index + 1).trim_end().to_owned());
    let run = (n_runs > 1).then(|| format!("run {}/{n_runs}", run + 1));
    let parts: Vec<String> = [configuration, run].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("[{}]", parts.join(", ")) }
}

fn in_words(left: TimeLeft) -> String {
    let expected = clock_words(left.expected);
    match left.at_most {
        Some(most) if clock_words(most) != expected => {
            format!("about {expected}, at most {}", clock_words(most))
        }
        _ => expected,
    }
}

impl fmt::Display for TimeLeft {
    /// `about 1m10, 40s to 2m05`, and with a stopping rule `, at most 5m20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, range: (low, high), at_most } = *self;
        let [expected, low, high] = [expected, low, high].map(clock_words);
        write!(f, "about {expected}")?;
        if low != high {
            write!(f, ", {low} to {high}")?;
        }
        at_most.map_or(Ok(()), |most| write!(f, ", at most {}", clock_words(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::{Configuration, Request, plan::tests::request},
        record::{Header, TestKind},
        stats::StoppingRule,
    };

    const AT: fn(u64) -> Duration = Duration::from_secs;

    fn tg(n_depth: u32) -> Test {
        Test::from(TestKind::Tg(32)).at(n_depth)
    }

    fn campaign(request: Request, n_runs: u32) -> (ProgressLine, Vec<Configuration>) {
        let plan = Request { prompts: vec![], generations: vec![32], ..request }.plan().unwrap();
        let one = |name: &str| Configuration {
            name: name.into(),
            header: Header::default(),
            plan: plan.clone(),
            n_runs,
            defect: None,
        };
        let all = vec![one("ub 64 fa 1"), one("ub 128 fa 1")];
        let mut progress = ProgressLine::new();
        progress.hear(&Event::Campaign(&all), AT(0));
        (progress, all)
    }

    fn measuring(progress: &mut ProgressLine, n_depth: u32, rep: u32, last: Option<Duration>, now: Duration) {
        progress.hear(&Event::Measuring { test: &tg(n_depth), rep, n_reps: 5, last }, now);
    }

    #[test]
    fn the_line_says_where_what_how_fast_and_how_long() {
        let (mut progress, all) = campaign(Request { depths: vec![0], n_reps: 5, ..request() }, 1);
        assert_eq!(progress.plan().as_deref(), Some("2 configurations, 2 cells, 10 repetitions"));
        let configuration =
            |index: usize| Event::Configuration { index, n: 2, name: &all[index].name, run: 0 };
        progress.hear(&configuration(1), AT(0));
        assert_eq!(progress.line(AT(0)), "[2/2 ub 128 fa 1]");
        progress.hear(&Event::Opening { n_ctx: 512 }, AT(0));
        assert_eq!(progress.line(AT(0)), "[2/2 ub 128 fa 1] making a context of 512 tokens");
        measuring(&mut progress, 0, 0, None, AT(0));
        assert_eq!(progress.line(AT(0)), "[2/2 ub 128 fa 1] tg32 1/5");
        assert_eq!(progress.whole(AT(0)), None);
        measuring(&mut progress, 0, 1, Some(Duration::from_millis(352)), AT(10));
        assert_eq!(progress.line(AT(10)), "[2/2 ub 128 fa 1] tg32 2/5 · 90.9 t/s now · 1m30 left");
        // Nothing is known yet of how steady the machine is.
        let whole = progress.whole(AT(10)).map(|whole| whole.to_string());
        assert_eq!(whole.as_deref(), Some("about 1m40, 57s to 3m03"));
        assert_eq!(progress.line(AT(15)), "[2/2 ub 128 fa 1] tg32 2/5 · 90.9 t/s now · 1m25 left");
        // Disturbed, and measured once more.
        measuring(&mut progress, 0, 1, Some(Duration::from_millis(352)), AT(20));
        assert!(
            progress.line(AT(20)).starts_with("[2/2 ub 128 fa 1] tg32 2/5, repeated · "),
            "{}",
            progress.line(AT(20))
        );
    }

    #[test]
    fn runs_are_counted_and_a_stopping_rule_is_an_estimate() {
        let rule = StoppingRule { max: 40, ..StoppingRule::new() };
        let (mut progress, all) = campaign(Request { depths: vec![0], stopping: Some(rule), ..request() }, 3);
        assert_eq!(progress.plan().as_deref(), Some("2 configurations, 6 cells, 240 repetitions at most"));
        progress.hear(&Event::Configuration { index: 0, n: 2, name: &all[0].name, run: 1 }, AT(0));
        measuring(&mut progress, 0, 0, None, AT(0));
        measuring(&mut progress, 0, 1, Some(AT(1)), AT(1));
        // Eight more here and nine in each of four other runs; 39 and 40 at most.
        let expected = "[1/2 ub 64 fa 1, run 2/3] tg32 2/5 · 32.0 t/s now · about 44s, at most 3m19 left";
        assert_eq!(progress.line(AT(1)), expected);
    }

    #[test]
    fn one_configuration_needs_no_name() {
        let mut progress = ProgressLine::new();
        assert_eq!((progress.line(AT(0)), progress.plan()), (String::new(), None));
        let plan = Request { depths: vec![0, 32], ..request() }.plan().unwrap();
        progress.hear(&Event::planned(&plan), AT(0));
        assert_eq!(progress.plan().as_deref(), Some("4 cells, 12 repetitions"));
        progress.hear(&Event::Filling { n_done: 16, n_depth: 32 }, AT(0));
        assert_eq!(progress.line(AT(0)), "filling 16/32 tokens");
        progress.hear(&Event::WarmingUp, AT(1));
        assert_eq!(progress.line(AT(1)), "warming up");
    }
}
