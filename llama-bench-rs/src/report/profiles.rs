//! Where the time of tests goes, as rows for tables: what the terminal and the page show of profiles.

use super::configurations;
use crate::{
    llama::BlockKind,
    record::{Profile, Report, Run, Test},
    units::{
        total,
        words::{digits, duration, rough_duration},
    },
};

/// The profiles of a report.
pub(super) struct Profiles<'a> {
    /// Kinds of block that any of them has, in the order of a graph.
    pub(super) kinds: Vec<BlockKind>,
    /// Whether any of them copies between devices.
    pub(super) has_copies: bool,
    /// By configuration, in the order measured.
    pub(super) rows: Vec<ProfileRow<'a>>,
}

/// The profile of a cell: of several runs of a configuration, of the first that has one.
pub(super) struct ProfileRow<'a> {
    /// Which configuration; empty if it is the only one.
    pub(super) name: String,
    pub(super) test: Test,
    pub(super) profile: &'a Profile,
}

impl<'a> Profiles<'a> {
    /// `None` if nothing was profiled.
    pub(super) fn of(report: &'a Report) -> Option<Self> {
        let mut rows: Vec<ProfileRow<'a>> = Vec::new();
        for configuration in configurations(report) {
            let mut known: Vec<Test> = Vec::new();
            for (test, profile) in configuration.runs.iter().flat_map(|run| of_run(run)) {
                if !known.contains(&test) {
                    known.push(test);
                    rows.push(ProfileRow { name: configuration.name.clone(), test, profile });
                }
            }
        }
        let mut kinds: Vec<BlockKind> = rows.iter().flat_map(|row| row.profile.kinds()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let has_copies = rows.iter().any(|row| !row.profile.copies.is_empty());
        (!rows.is_empty()).then_some(Self { kinds, has_copies, rows })
    }

    /// How to read the table, in sentences.
    pub(super) fn caption(&self) -> String {
        let costs = self.rows.iter().map(|row| row.profile.stop_ns);
        let (least, most) = (costs.clone().min().unwrap_or(0), costs.max().unwrap_or(0));
        let time = |ns: u64| rough_duration(std::time::Duration::from_nanos(ns));
        let cost =
            if time(least) == time(most) { time(most) } else { format!("{} to {}", time(least), time(most)) };
        let left = self.rows.iter().filter_map(|row| unexplained(row.profile));
        let left = left.map(f64::abs).fold(0.0, f64::max);
        format!(
            "Apart from the samples: each repetition stops after every block. A stop costs {cost}, which is subtracted; \
             traced and plain repetitions then differ by at most {} %. Rest: building graphs, inputs and results, \
             and blocks that tracing does not resolve, which have no time (–).{}",
            digits(left * 100.0, 2),
            if self.rows.iter().any(|row| row.test.kind.is_generation()) {
                " Generation: per token."
            } else {
                ""
            }
        )
    }
}

/// What the cost of stops leaves unexplained, over a plain repetition.
pub(super) fn unexplained(profile: &Profile) -> Option<f64> {
    let plain = profile.plain().filter(|&plain| plain > 0)?;
    Some(profile.unexplained_ns as f64 / plain as f64)
}

/// Every profile of a run with its test.
pub(super) fn of_run(run: &Run) -> impl Iterator<Item = (Test, &Profile)> {
    run.cells.iter().filter_map(|cell| Some((cell.test, cell.measured()?.profile.as_ref()?)))
}

impl ProfileRow<'_> {
    /// What its times are of: the tokens of a generation each, all else as a whole.
    pub(super) fn over(&self) -> f64 {
        if self.test.kind.is_generation() { f64::from(self.profile.n_tokens.max(1)) } else { 1.0 }
    }

    /// A time of it, in milliseconds.
    pub(super) fn ms(&self, ns: f64) -> f64 {
        ns / 1e6 / self.over()
    }

    /// A plain repetition.
    pub(super) fn total(&self) -> Option<String> {
        let plain = self.profile.plain()?;
        let per = (plain as f64 / self.over()).round() as u64;
        Some(duration(std::time::Duration::from_nanos(per)))
    }

    /// The time of a kind of block, with its share; empty if there is no such block. `None` if tracing does not resolve it.
    pub(super) fn block(&self, kind: BlockKind) -> Option<String> {
        if !self.profile.kinds().contains(&kind) {
            return Some(String::new());
        }
        Some(self.part(self.profile.of(kind)? as f64))
    }

    /// The time of copies; `None` without any.
    pub(super) fn copies(&self) -> Option<String> {
        let copies = &self.profile.copies;
        (!copies.is_empty()).then(|| self.part(total(copies.iter().map(|copy| copy.elapsed_ns)) as f64))
    }

    /// What is left.
    pub(super) fn rest(&self) -> Option<String> {
        Some(self.part(self.profile.rest_ns()? as f64))
    }

    fn part(&self, ns: f64) -> String {
        let plain = self.profile.plain().unwrap_or(0).max(1) as f64;
        // Of the rest a little may be missing, which is nothing.
        let ns = if ns.abs() < plain / 200.0 { ns.max(0.0) } else { ns };
        format!("{} ms {:>3.0} %", digits(self.ms(ns), 3), 100.0 * ns / plain)
    }
}

/// What a kind of block is called.
pub(super) fn block_name(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Attention => "attention",
        BlockKind::Mixer => "recurrent mixer",
        BlockKind::FeedForward => "feed-forward",
        BlockKind::Experts => "experts",
        BlockKind::Output => "output",
        BlockKind::Other => "other",
    }
}
