//! The time that work takes: as measured, else predicted from the same work in other configurations.

use std::collections::BTreeMap;

use super::{
    axes::Axes,
    ridge::{self, Prior, Row},
    steadiness::Steadiness,
};
use crate::record::{Header, Test, TestKind};

/// Kinds of work with unrelated speeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Loading, making a context, warming up.
    Setup,
    Fill,
    Prompt,
    Generation,
    Embedding,
}

impl Class {
    /// The time of a step of n sequences over that of one is about n to this power: prompts take as long one by one, a step
    /// of a generation reads the weights once for all.
    fn expected_by_sequences(self) -> f64 {
        if self == Self::Generation { 0.5 } else { 1.0 }
    }
}

impl From<TestKind> for Class {
    fn from(kind: TestKind) -> Self {
        match kind {
            TestKind::Pp(_) => Self::Prompt,
            TestKind::Tg(_) => Self::Generation,
            TestKind::Embd(_) => Self::Embedding,
        }
    }
}

/// A piece of work that is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Task {
    pub(super) class: Class,
    /// The configuration.
    pub(super) lane: usize,
    /// Tokens of each sequence.
    pub(super) n_tokens: u32,
    pub(super) n_parallel: u32,
    /// Tokens in the context; of a fill, where the part begins.
    pub(super) n_depth: u32,
}

impl Task {
    pub(super) fn of_test(test: &Test, lane: usize) -> Self {
        let Test { kind, n_depth, n_parallel, .. } = *test;
        Self { class: kind.into(), lane, n_tokens: kind.n_tokens(), n_parallel, n_depth }
    }

    pub(super) fn setup(lane: usize) -> Self {
        Self { class: Class::Setup, lane, n_tokens: 0, n_parallel: 1, n_depth: 0 }
    }

    /// A part of the fill of one sequence.
    pub(super) fn fill(lane: usize, n_depth: u32) -> Self {
        Self { class: Class::Fill, lane, n_tokens: 0, n_parallel: 1, n_depth }
    }

    /// The depth of one sequence that would make the work as much longer as this depth of all of them does. Tokens in
    /// the context are read for each sequence, and weights once.
    fn effective_depth(&self) -> f64 {
        let per_sequence = 1.0 - self.class.expected_by_sequences();
        f64::from(self.n_depth) * f64::from(self.n_parallel.max(1)).powf(per_sequence)
    }
}

/// Seconds per token of everything that was done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Costs {
    axes: Axes,
    by_class: BTreeMap<Class, Fit>,
    /// Repetitions that finished cells needed: their sum and the number of cells.
    needed: BTreeMap<Class, (f64, f64)>,
    /// The spread of repetitions of the same work.
    steadiness: Steadiness,
}

impl Costs {
    pub(super) fn new(headers: Vec<&Header>) -> Self {
        Self { axes: Axes::of(&headers), ..Self::default() }
    }

    /// Adds work that was done: tokens of each sequence, and seconds.
    pub(super) fn add(&mut self, task: Task, (n_done, seconds): (u32, f64)) {
        if matches!(task.class, Class::Prompt | Class::Generation | Class::Embedding) {
            self.steadiness.add(task, seconds);
        }
        if n_done > 0 {
            self.by_class.entry(task.class).or_default().add(task, f64::from(n_done), seconds);
        }
    }

    /// What was added does not count after all.
    pub(super) fn take_back(&mut self, task: Task, (n_done, seconds): (u32, f64)) {
        if let Some(fit) = self.by_class.get_mut(&task.class) {
            fit.take_back(task, f64::from(n_done), seconds);
        }
    }

    /// The time of the slowest third of repetitions over that of all.
    pub(super) fn slowest_third(&self) -> f64 {
        self.steadiness.slowest_third()
    }

    /// A cell is over after so many repetitions.
    pub(super) fn add_finished(&mut self, class: Class, n_reps: u32) {
        let (sum, n) = self.needed.entry(class).or_default();
        (*sum, *n) = (*sum + f64::from(n_reps), *n + 1.0);
    }

    /// Repetitions that a cell of this kind needed on average; `None` before one is over.
    pub(super) fn n_usual(&self, class: Class) -> Option<f64> {
        self.needed.get(&class).map(|(sum, n)| sum / n)
    }

    /// Whether anything of this kind was done.
    pub(super) fn knows(&self, class: Class) -> bool {
        self.by_class.contains_key(&class)
    }

    /// Takes everything that was added into account.
    pub(super) fn fit(&mut self) {
        // A fill is made of prompts, and comes before those that are as deep.
        let of_fill = self.by_class.get(&Class::Fill).and_then(|fit| fit.growth);
        for (class, fit) in &mut self.by_class {
            if std::mem::take(&mut fit.is_stale) {
                let usual = of_fill.filter(|_| *class == Class::Prompt).unwrap_or(USUAL_GROWTH);
                fit.fit(&self.axes, *class, usual);
            }
        }
    }

    /// Seconds per token of each sequence, of a context for one; as of the last [`fit`](Self::fit). 0 if nothing like it
    /// was done.
    pub(super) fn per_token(&self, task: Task) -> f64 {
        // Before a fill was measured, prompts predict it, and the other way round.
        let alike = match task.class {
            Class::Fill => Class::Prompt,
            Class::Prompt => Class::Fill,
            other => other,
        };
        let own = self.by_class.get(&task.class);
        let growth =
            |fit: &Fit| fit.growth.or_else(|| self.by_class.get(&alike)?.growth).unwrap_or(USUAL_GROWTH);
        match own.or_else(|| self.by_class.get(&alike)) {
            Some(fit) => fit.per_token(&self.axes, task, growth(fit)),
            None => 0.0,
        }
    }
}

/// Work of one class: what it took, and a model of that.
///
/// The logarithm of the time per token is a sum: of the whole class, of each value that the configuration has on an axis,
/// of the configuration itself, of the test's length, of its number of sequences and of its depth. Ridge regression keeps the later ones small unless
/// the data require otherwise. A new combination of known values is then predicted by those values.
#[derive(Clone, Debug, Default)]
struct Fit {
    /// Tokens and seconds.
    observed: BTreeMap<Task, (f64, f64)>,
    is_stale: bool,
    /// How much longer a token takes per token in the context, as a part of what it takes in an empty one; `None` if only
    /// one depth was seen.
    growth: Option<f64>,
    effects: BTreeMap<Effect, f64>,
}

/// A part of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    Class,
    /// A value of an axis.
    Value(usize),
    /// The slope of a numeric axis.
    Slope(usize),
    Lane(usize),
    Length(u32),
    Depth(u32),
    /// The slope over the logarithm of the number of sequences.
    Sequences,
    /// A number of sequences.
    Level(u32),
}

/// How far off the sum is for reasons of its own, as a standard deviation; the same of each part, before it is known.
const NOISE: f64 = 0.05;

impl Effect {
    fn expected_size(self, axes: &Axes) -> f64 {
        match self {
            Effect::Class => f64::INFINITY,
            Effect::Value(value) if axes.is_numeric_value(value) => 0.1,
            Effect::Value(_) => 0.5,
            Effect::Slope(_) => 1.0,
            Effect::Lane(_) => 0.07,
            Effect::Length(_) => 0.3,
            Effect::Depth(_) => 0.1,
            Effect::Sequences => 0.3,
            Effect::Level(_) => 0.1,
        }
    }

    fn prior(self, axes: &Axes, class: Class) -> Prior {
        let expected = match self {
            Effect::Slope(slope) => axes.expected_slope(slope, class),
            Effect::Sequences => class.expected_by_sequences(),
            _ => 0.0,
        };
        Prior { expected, pull: (NOISE / self.expected_size(axes)).powi(2) }
    }
}

impl Fit {
    fn add(&mut self, task: Task, n_tokens: f64, seconds: f64) {
        let (tokens, sum) = self.observed.entry(task).or_default();
        (*tokens, *sum) = (*tokens + n_tokens, *sum + seconds);
        self.is_stale = true;
    }

    /// Removes disturbed work, unless there is no other.
    fn take_back(&mut self, task: Task, n_tokens: f64, seconds: f64) {
        let is_alone = self.observed.len() == 1;
        let Some((tokens, sum)) = self.observed.get_mut(&task) else { return };
        if *tokens > 1.5 * n_tokens {
            (*tokens, *sum) = (*tokens - n_tokens, (*sum - seconds).max(0.0));
        } else if !is_alone {
            self.observed.remove(&task);
        }
        self.is_stale = true;
    }

    fn per_token(&self, axes: &Axes, task: Task, growth: f64) -> f64 {
        if let Some((tokens, seconds)) = self.observed.get(&task) {
            return seconds / tokens;
        }
        let known = |(effect, x): (Effect, f64)| self.effects.get(&effect).map_or(0.0, |size| size * x);
        let log: f64 = parts(axes, task).into_iter().map(known).sum();
        log.exp() * (1.0 + growth * task.effective_depth())
    }

    fn fit(&mut self, axes: &Axes, class: Class, usual_growth: f64) {
        self.growth = growth(&self.observed, usual_growth);
        let growth = self.growth.unwrap_or(usual_growth);
        let log = |(task, (tokens, seconds)): (&Task, &(f64, f64))| {
            let level = seconds / tokens / (1.0 + growth * task.effective_depth());
            (parts(axes, *task), level.max(1e-12).ln())
        };
        let mut places: BTreeMap<Effect, usize> = BTreeMap::new();
        let mut priors: Vec<Prior> = Vec::new();
        let mut place = |effect: Effect| {
            *places.entry(effect).or_insert_with(|| {
                priors.push(effect.prior(axes, class));
                priors.len() - 1
            })
        };
        let rows: Vec<Row> = self
            .observed
            .iter()
            .map(log)
            .map(|(parts, log)| (parts.into_iter().map(|(effect, x)| (place(effect), x)).collect(), log))
            .collect();
        // Axes on which nothing was seen yet keep what is expected of them.
        for slope in 0..axes.slopes.len() {
            place(Effect::Slope(slope));
        }
        place(Effect::Sequences);
        let found = ridge::solve(&rows, &priors);
        self.effects = places.into_iter().map(|(effect, place)| (effect, found[place])).collect();
    }
}

/// What the logarithm is the sum of, each with its factor.
fn parts(axes: &Axes, task: Task) -> Vec<(Effect, f64)> {
    let Task { lane, n_tokens, n_parallel, n_depth, .. } = task;
    let of_test = [Effect::Class, Effect::Lane(lane), Effect::Length(n_tokens), Effect::Depth(n_depth)];
    let of_level = (n_parallel > 1)
        .then(|| [(Effect::Sequences, f64::from(n_parallel).ln()), (Effect::Level(n_parallel), 1.0)]);
    let of_lane = axes.lanes.get(lane).map_or(&[][..], |parts| &parts[..]);
    let of_test = of_test.into_iter().map(|effect| (effect, 1.0));
    of_test.chain(of_level.into_iter().flatten()).chain(of_lane.iter().copied()).collect()
}

/// The assumed growth before two depths were seen: how much longer a token takes per token in the context.
const USUAL_GROWTH: f64 = 3e-5;
/// Its standard deviation.
const GROWTHS: f64 = 1e-4;
/// The relative error of a single repetition.
const NOISE_OF_ONE: f64 = 0.1;

/// From the straight lines of the tests that were run at several depths; depths close together count little.
fn growth(observed: &BTreeMap<Task, (f64, f64)>, usual: f64) -> Option<f64> {
    let mut lines: BTreeMap<Task, Vec<(f64, f64)>> = BTreeMap::new();
    for (task, (tokens, seconds)) in observed {
        let line = Task { n_depth: 0, ..*task };
        lines.entry(line).or_default().push((task.effective_depth(), seconds / tokens));
    }
    let ridge = (NOISE_OF_ONE / GROWTHS).powi(2);
    let (mut products, mut squares, mut middles) = (ridge * usual, ridge, 0.0);
    for points in lines.values().filter(|points| points.len() > 1) {
        let n = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        let of_line: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        products += points.iter().map(|point| (point.0 - x) * (point.1 / y - 1.0)).sum::<f64>();
        squares += of_line;
        middles += of_line * x;
    }
    let slope = products / squares;
    // The lines are relative to their middles: converted to an empty context.
    let of_empty = 1.0 - slope * middles / squares;
    let is_known = squares > ridge && slope.is_finite();
    is_known.then(|| slope.max(0.0) / of_empty.max(0.1))
}
