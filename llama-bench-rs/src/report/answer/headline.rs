use std::{fmt, time::Duration};

use super::{Configuration, SpeedFigure, Trust};
use crate::{
    record::{Header, Report, Test, TestKind},
    report::in_words::{count, duration, one_line, plural, sentence, speed},
    units::TokensPerSecond,
};

/// What was measured, on what, and in one sentence the result and its trust. Its `Display` is
/// `gpt-oss 20B Q4_K - Medium on NVIDIA GB10: Generation 90.1 t/s, …`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Headline {
    /// The models, each once.
    pub models: Vec<String>,
    /// The devices that computed, each once.
    pub devices: Vec<String>,
    /// Configurations in all.
    pub n_configurations: usize,
    /// Runs in all.
    pub n_runs: usize,
    /// Cells in all.
    pub n_cells: usize,
    /// Cells that failed.
    pub n_failed: usize,
    /// Cells that an interruption left unbegun.
    pub n_not_begun: usize,
    /// The speed of each kind of test of one sequence: generation, prompt processing, embedding.
    pub speeds: Vec<SpeedRange>,
    /// The highest total of several sequences at the shallowest depth, if no test was of one.
    pub together: Option<Together>,
    /// The shortest and the longest time to the first token of an answer; `None` if that is not known.
    pub first_token: Option<(Duration, Duration)>,
    /// The trust in the worst of the configurations.
    pub trust: Trust,
    /// The name of that configuration; empty if it is the only one.
    pub trust_of: String,
    /// Configurations whose trust is a warning.
    pub n_doubtful: usize,
}

/// How fast one kind of test is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SpeedRange {
    /// Of a single configuration.
    Depths {
        /// The test.
        kind: TestKind,
        /// The shallowest depth and its speed.
        shallow: (u32, TokensPerSecond),
        /// The deepest depth and its speed; `None` if only one depth was measured.
        deep: Option<(u32, TokensPerSecond)>,
    },
    /// Of several configurations, at their shallowest depth.
    Configurations {
        /// The test.
        kind: TestKind,
        /// The depth.
        n_depth: u32,
        /// The lowest mean.
        lowest: TokensPerSecond,
        /// The highest mean.
        highest: TokensPerSecond,
        /// The name of the configuration with the highest mean; a comparison decides whether it is surely the fastest.
        name: String,
    },
}

/// What several sequences reach together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Together {
    /// The test, with its number of sequences.
    pub test: Test,
    /// The total speed.
    pub rate: TokensPerSecond,
}

impl Headline {
    /// `report` without the cells that an interruption left unbegun, `n_not_begun` of them.
    pub(super) fn of(report: &Report, configurations: &[Configuration], n_not_begun: usize) -> Self {
        let headers = || report.runs.iter().map(|run| &run.header);
        let times = || configurations.iter().flat_map(|it| &it.pivot.rows).filter_map(|row| row.first_token);
        let first_token = times().map(|t| t.time).min().zip(times().map(|t| t.time).max());
        let worst = configurations.iter().max_by(|a, b| {
            let ((a, x), (b, y)) = (a.trust.badness(), b.trust.badness());
            a.cmp(&b).then(x.total_cmp(&y))
        });
        let speeds = speeds(configurations);
        let is_doubtful = |it: &&Configuration| it.trust.level() == crate::report::insights::Level::Warning;
        Self {
            models: distinct(headers().map(model)),
            devices: distinct(headers().map(device)),
            n_configurations: configurations.len(),
            n_runs: configurations.iter().map(|it| it.runs.len()).sum(),
            n_cells: report.cells().count() + n_not_begun,
            n_failed: report.cells().filter(|(_, cell)| cell.reason().is_some()).count(),
            n_not_begun,
            together: if speeds.is_empty() { together(configurations) } else { None },
            speeds,
            first_token,
            trust: worst.map_or(Trust::Nothing { n_failed: 0 }, |it| it.trust),
            trust_of: worst.map_or_else(String::new, |it| it.name.clone()),
            n_doubtful: configurations.iter().filter(is_doubtful).count(),
        }
    }

    /// What was measured, and on what: `gpt-oss 20B Q4_K - Medium on NVIDIA GB10`.
    pub fn title(&self) -> String {
        let some = |all: &[String], noun: &str| match all {
            [] => String::new(),
            [one] => one.clone(),
            [first, second] => format!("{first} and {second}"),
            [first, rest @ ..] => format!("{first} and {}", count(rest.len(), noun)),
        };
        let what = match some(&self.models, "other model") {
            what if what.is_empty() => "Benchmark of llama.cpp".into(),
            what => what,
        };
        let on = some(&self.devices, "other machine");
        let on = if on.is_empty() { on } else { format!(" on {on}") };
        let several = match (self.n_configurations, self.n_runs) {
            (0..=1, 0..=1) => String::new(),
            (0..=1, n) => format!(", {}", count(n, "run")),
            (n, runs) if runs > n => format!(", {} in {}", count(n, "configuration"), count(runs, "run")),
            (n, _) => format!(", {}", count(n, "configuration")),
        };
        format!("{what}{on}{several}")
    }

    /// The result and its trust in one sentence.
    pub fn sentence(&self) -> String {
        if self.n_not_begun > 0 && self.n_not_begun == self.n_cells {
            return "Interrupted before anything was measured.".into();
        }
        let mut parts: Vec<String> =
            self.speeds.iter().enumerate().map(|(i, range)| range.words(i == 0)).collect();
        if let Some(Together { test, rate }) = self.together {
            parts.push(format!("{} t/s in {test}, all sequences together", speed(rate)));
        }
        if let Some((shortest, longest)) = self.first_token {
            let (a, b) = (duration(shortest), duration(longest));
            parts.push(if a == b {
                format!("first token after {a}")
            } else {
                format!("first token after {a} to {b}")
            });
        }
        if let (1.., false) = (self.n_failed, matches!(self.trust, Trust::Nothing { .. })) {
            parts.push(format!("{} of {} failed", self.n_failed, count(self.n_cells, "cell")));
        }
        if self.n_not_begun > 0 {
            let were = plural(self.n_not_begun, "was", "were");
            let all = count(self.n_cells, "cell");
            parts.push(format!("interrupted: {} of {all} {were} not begun", self.n_not_begun));
        }
        parts.push(self.trust_words());
        format!("{}.", sentence(&parts.join("; ")))
    }

    /// The trust, with the meaning of its `±`: the line beside a table of means.
    pub fn trust_line(&self) -> String {
        let (words, of_means) = (self.trust_words(), self.trust.is_of_intervals());
        if of_means { format!("{words} (±: half the 95 % interval of a mean)") } else { words }
    }

    /// The trust, with the configuration that it is of.
    pub fn trust_words(&self) -> String {
        let (n, all, trust) = (self.n_doubtful, self.n_configurations, self.trust);
        match (n, self.trust_of.is_empty()) {
            (_, true) => trust.to_string(),
            (0, false) => format!("{trust}, worst in {}", self.trust_of),
            (n, false) if n < all => {
                format!("{n} of {} doubtful, worst {}: {trust}", count(all, "configuration"), self.trust_of)
            }
            (_, false) => format!("every configuration doubtful, worst {}: {trust}", self.trust_of),
        }
    }
}

impl fmt::Display for Headline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title(), self.sentence())
    }
}

fn distinct(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for one in all.map(|text| one_line(&text)).filter(|text| !text.is_empty()) {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

/// The model's description, or of one that was not loaded the name of its file.
fn model(header: &Header) -> String {
    match header.model.description.trim() {
        "" => header.model.filename.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        description => description.to_owned(),
    }
}

/// What computed: the GPUs, unless every layer stayed on the CPU.
fn device(header: &Header) -> String {
    let (host, threads) = (&header.host, header.config.n_threads.filter(|&n| n > 0));
    let is_on_cpu = matches!(header.resolved.offloaded_layers, Some((0, _)));
    match (host.gpu_info.is_empty() || is_on_cpu, threads) {
        (false, _) => host.gpu_info.clone(),
        (true, Some(n)) if !host.cpu_info.is_empty() => {
            format!("{}, {}", host.cpu_info, count(n as usize, "thread"))
        }
        (true, _) => host.cpu_info.clone(),
    }
}

/// Generation first: it is what a reader of an answer sees.
fn speeds(configurations: &[Configuration]) -> Vec<SpeedRange> {
    type OfRow = fn(&super::PivotRow) -> Option<SpeedFigure>;
    type OfPivot = fn(&super::Pivot) -> Option<TestKind>;
    let kinds: [(OfPivot, OfRow); 3] = [
        (|pivot| pivot.generation, |row| row.generation),
        (|pivot| pivot.prefill, |row| row.prefill),
        (|pivot| pivot.embedding, |row| row.embedding),
    ];
    let range = |(kind, figure): (OfPivot, OfRow)| {
        let figures = |it: &Configuration| -> Vec<(u32, TokensPerSecond)> {
            it.pivot.rows.iter().filter_map(|row| Some((row.n_depth, figure(row)?.rate))).collect()
        };
        if let [one] = configurations {
            let all = figures(one);
            let (kind, shallow, deep) = (kind(&one.pivot)?, *all.first()?, *all.last()?);
            return Some(SpeedRange::Depths { kind, shallow, deep: (deep.0 > shallow.0).then_some(deep) });
        }
        // A configuration without a figure at the first depth is not in the range.
        let first = configurations.iter().find_map(|it| Some((kind(&it.pivot)?, figures(it).first()?.0)))?;
        let (kind, n_depth) = first;
        let at_first = |it: &Configuration| {
            let rate = figures(it).into_iter().find(|(depth, _)| *depth == n_depth)?.1;
            Some((it.name.clone(), rate))
        };
        let mut all: Vec<(String, TokensPerSecond)> = configurations.iter().filter_map(at_first).collect();
        all.sort_by(|a, b| a.1.get().total_cmp(&b.1.get()));
        let (lowest, (name, highest)) = (all.first()?.1, all.last()?.clone());
        Some(SpeedRange::Configurations { kind, n_depth, lowest, highest, name })
    };
    kinds.into_iter().filter_map(range).collect()
}

fn together(configurations: &[Configuration]) -> Option<Together> {
    let shallowest = configurations.iter().filter_map(|it| it.levels.first());
    let totals = shallowest.flat_map(|levels| {
        let of = move |row: &super::LevelRow| {
            let generation = levels.generation.zip(row.generation);
            let (test, figure) = generation.or_else(|| levels.prefill.zip(row.prefill))?;
            Some(Together { test: test.parallel(row.n_parallel), rate: figure.total.rate })
        };
        levels.rows.iter().filter_map(of)
    });
    totals.max_by(|a, b| a.rate.get().total_cmp(&b.rate.get()))
}

impl SpeedRange {
    /// What kind of test it is of.
    pub fn kind(&self) -> TestKind {
        match self {
            Self::Depths { kind, .. } | Self::Configurations { kind, .. } => *kind,
        }
    }

    fn words(&self, is_first: bool) -> String {
        let activity = match self.kind() {
            TestKind::Pp(_) => "prompts",
            TestKind::Tg(_) => "generation",
            TestKind::Embd(_) => "embedding",
        };
        let depth = |n: u32| if n == 0 { String::new() } else { format!(" at depth {n}") };
        match self {
            Self::Depths { shallow: (n, rate), deep, .. } => {
                let deep = deep.map_or_else(String::new, |(n, rate)| {
                    let at = if is_first { depth(n) } else { format!(" at {n}") };
                    format!(", {} t/s{at}", speed(rate))
                });
                format!("{activity} {} t/s{}{deep}", speed(*rate), depth(*n))
            }
            Self::Configurations { n_depth, lowest, highest, .. } if speed(*lowest) == speed(*highest) => {
                format!("{activity} {} t/s{}", speed(*highest), depth(*n_depth))
            }
            Self::Configurations { n_depth, lowest, highest, name, .. } => format!(
                "{activity} {} to {} t/s{} (highest: {name})",
                speed(*lowest),
                speed(*highest),
                depth(*n_depth)
            ),
        }
    }
}
