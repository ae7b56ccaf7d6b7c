use std::fmt;

use super::{Level, Say, precision::BAD};
use crate::{
    judge::{self, SlowType, SmallBatch},
    record::{Binds, Cell, CellWork, Light, LightUnknown, Run, Test, TestKind},
    report::{
        answer::{BUSY, LightFigure, not_counted},
        figures::{Figures, Series},
        in_words::{count, one_line, percent},
    },
    units::{
        Share,
        words::{digits, duration},
    },
};

/// A product with a smaller part of the arithmetic is not named.
const NAMED: f64 = 0.1;

/// Products that are named at most.
const N_NAMED: usize = 3;

/// What reaches more than this needs no larger physical batch, and no word on the rest.
const FAST: f64 = 0.7;

/// How near the figures come to the most that the devices do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LightSaid {
    /// What a test reaches, at its shallowest and its deepest context.
    Reaches {
        /// The test at its shallowest depth with a figure.
        shallow: (Test, Light),
        /// The same at its deepest depth; `None` if there is but one.
        deep: Option<(Test, Light)>,
        /// The products that most of the arithmetic is of, such as `mul_mat of q4_K`; empty if the memory binds.
        products: Vec<String>,
        /// Whether the test was profiled.
        is_profiled: bool,
        /// Whether no other program disturbed its repetitions and their mean is certain enough to be believed.
        is_steady: bool,
    },
    /// Cells that are faster than the ceilings allow: the count of their work or a ceiling is wrong.
    Impossible {
        /// How many there are.
        n_cells: usize,
        /// The one that is furthest above.
        test: Test,
        /// What it would reach.
        light: Light,
    },
    /// A type of weights whose products are far slower than another's.
    SlowType(SlowType),
    /// A physical batch that keeps products from what a larger one reaches.
    SmallBatch {
        /// Both batches.
        found: SmallBatch,
        /// Whether the logical batch has to be larger too.
        is_limited: bool,
    },
    /// Cells without a share.
    Unknown {
        /// How many there are.
        n_cells: usize,
        /// The first of them.
        test: Test,
        /// Why it has none.
        why: LightUnknown,
    },
}

/// What the ceilings of a run say of its cells; empty if none were measured.
pub(super) fn light(run: &Run, all: &[Series<'_>]) -> Vec<LightSaid> {
    if run.header.ceilings.is_empty() {
        return Vec::new();
    }
    let mut said: Vec<LightSaid> = impossible(run).into_iter().collect();
    said.extend(all.iter().filter_map(|series| reaches(run, series)));
    said.extend(small_batch(run));
    said.extend(slow_types(run).into_iter().map(LightSaid::SlowType));
    said.extend(unknown(run));
    said
}

fn light_of(run: &Run, cell: &Cell) -> Option<Light> {
    run.header.light_of(cell)?.ok()
}

fn reaches(run: &Run, series: &Series<'_>) -> Option<LightSaid> {
    let known = series.points.iter().filter_map(|point| Some((point.cell, light_of(run, point.cell)?)));
    let mut known: Vec<(&Cell, Light)> = known
        .filter(|(_, light)| !judge::is_impossible(light) && LightFigure::from(light).is_known())
        .collect();
    if known.is_empty() {
        return None;
    }
    let deep = if known.len() > 1 { known.pop() } else { None };
    let (cell, light) = known.swap_remove(0);
    let measured = cell.measured()?;
    let work = measured.work.as_ref()?;
    let products = if light.binds == Binds::Arithmetic { products(work, &light.device) } else { Vec::new() };
    let is_profiled = measured.profile.is_some();
    let deep = deep.map(|(cell, light)| (cell.test, light));
    let shallow = (cell.test, light);
    Some(LightSaid::Reaches { shallow, deep, products, is_profiled, is_steady: is_steady(cell) })
}

/// By the same limits as [`Neighbours`](super::Neighbours) and [`Precision`](super::Precision) warn.
fn is_steady(cell: &Cell) -> bool {
    let width = Figures::of(cell).and_then(|figures| figures.relative_half_width());
    cell.n_disturbed() == 0 && width.is_none_or(|width| width.get() <= BAD)
}

/// Whether the whole range of a share that counts all of the work is below what needs no word.
fn is_surely_slow(light: &Light) -> bool {
    light.uncounted.is_empty() && light.share_bounds.upper() < FAST
}

/// The products with the largest parts of the arithmetic, those of one operation together.
fn products(work: &CellWork, device: &str) -> Vec<String> {
    let Some(own) = work.of(device) else { return Vec::new() };
    let mut large: Vec<_> =
        own.products.iter().filter(|it| it.flops as f64 >= own.flops() as f64 * NAMED).collect();
    large.sort_by_key(|it| std::cmp::Reverse(it.flops));
    large.truncate(N_NAMED);
    let mut named: Vec<(String, Vec<&str>)> = Vec::new();
    for product in large {
        let op = product.op.to_lowercase();
        match named.iter_mut().find(|(of, _)| *of == op) {
            Some((_, types)) if types.contains(&&product.data_type[..]) => {}
            Some((_, types)) => types.push(&product.data_type),
            None => named.push((op, vec![&product.data_type])),
        }
    }
    named
        .into_iter()
        .map(|(op, types)| format!("{} of {}", one_line(&op), one_line(&types.join(", "))))
        .collect()
}

fn impossible(run: &Run) -> Option<LightSaid> {
    let of = |cell: &Cell| Some((cell.test, light_of(run, cell)?));
    let is_above = |(_, light): &(Test, Light)| judge::is_impossible(light);
    let all: Vec<(Test, Light)> = run.cells.iter().filter_map(of).filter(is_above).collect();
    let n_cells = all.len();
    let (test, light) = all.into_iter().max_by(|(_, a), (_, b)| a.share.total_cmp(&b.share))?;
    Some(LightSaid::Impossible { n_cells, test, light })
}

fn prompts(run: &Run) -> impl Iterator<Item = &Cell> {
    run.cells.iter().filter(|cell| cell.test.kind.is_prompt() && cell.measured().is_some())
}

/// If a prompt is longer than the physical batch, and slow for the machine.
fn small_batch(run: &Run) -> Option<LightSaid> {
    let config = &run.header.config;
    let n_ubatch = config.n_ubatch?.min(config.n_batch.unwrap_or(u32::MAX));
    let is_slow = |cell: &&Cell| light_of(run, cell).is_none_or(|light| light.share_bounds.upper() < FAST);
    prompts(run).filter(|cell| cell.test.n_tokens() > n_ubatch).find(is_slow)?;
    let found = judge::small_batch(&run.header.ceilings, n_ubatch)?;
    let is_limited = config.n_batch.is_some_and(|n_batch| n_batch < found.n_larger);
    Some(LightSaid::SmallBatch { found, is_limited })
}

fn slow_types(run: &Run) -> Vec<SlowType> {
    let work = prompts(run).find_map(|cell| cell.measured()?.work.as_ref());
    work.map_or_else(Vec::new, |work| judge::slow_types(&run.header.ceilings, work))
}

fn unknown(run: &Run) -> Option<LightSaid> {
    let of_cell = |cell: &Cell| Some((cell.test, run.header.light_of(cell)?.err()?));
    let mut unknown = run.cells.iter().filter_map(of_cell).peekable();
    let (test, why) = unknown.peek().cloned()?;
    Some(LightSaid::Unknown { n_cells: unknown.count(), test, why })
}

impl Say for LightSaid {
    fn level(&self) -> Level {
        match self {
            Self::Impossible { .. } => Level::Warning,
            _ => Level::Note,
        }
    }
}

/// `812 TFLOP/s`.
fn rate(per_second: f64) -> String {
    if per_second >= 1e12 {
        format!("{} TFLOP/s", digits(per_second / 1e12, 3))
    } else {
        format!("{} GFLOP/s", digits(per_second / 1e9, 3))
    }
}

fn subject(kind: TestKind) -> &'static str {
    match kind {
        TestKind::Pp(_) => "Prompt processing",
        TestKind::Tg(_) => "Generation",
        TestKind::Embd(_) => "Embedding",
    }
}

/// `860 µs of 3.42 ms`.
fn times(light: &Light) -> String {
    format!("{} of {}", duration(light.floor), duration(light.time))
}

impl fmt::Display for LightSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reaches { shallow: (test, light), deep, products, is_profiled, is_steady } => {
                write!(f, "{} ({test}) is bound by {}", subject(test.kind), light.binds)?;
                if !products.is_empty() {
                    write!(f, " ({})", products.join("; "))?;
                }
                let each = match (test.kind.is_generation(), test.n_parallel) {
                    (false, _) => "",
                    (true, 1) => " a token",
                    (true, _) => " a step",
                };
                write!(
                    f,
                    " and reaches {} of the speed of light: {}{each}",
                    LightFigure::from(light),
                    times(light)
                )?;
                if let Some((at, deep)) = deep {
                    let share = LightFigure::from(deep);
                    write!(f, ", and {share} at depth {} ({})", at.n_depth, times(deep))?;
                    if deep.binds != light.binds {
                        write!(f, ", bound by {}", deep.binds)?;
                    }
                }
                if let Some(left_out) = not_counted(&light.uncounted) {
                    write!(f, "; {left_out}")?;
                }
                if LightFigure::from(light).is_upper_bound() {
                    write!(f, "; {BUSY}")?;
                }
                if !is_surely_slow(light) || !is_steady {
                    return write!(f, ".");
                }
                let hint = if *is_profiled { "the profile" } else { "--profile" };
                write!(f, "; neither memory nor arithmetic explains the rest ({hint} shows where it goes).")
            }
            Self::Impossible { n_cells, test, light } => write!(
                f,
                "{} above 100 % of the speed of light, most of all {test} with {} ({}, bound by {} on {}): the count of its \
                 work or a ceiling of the machine is wrong. Measure again with --renew-ceilings on an idle machine.",
                match n_cells {
                    1 => "1 cell is".to_owned(),
                    n => format!("{} are", count(*n, "cell")),
                },
                LightFigure::from(light),
                times(light),
                light.binds,
                one_line(&light.device)
            ),
            Self::SlowType(SlowType { device, data_type, per_second, best_type, best_per_second }) => write!(
                f,
                "Products of {} reach {} on {}, those of {} {}: another type of weights may process prompts faster.",
                one_line(data_type),
                rate(*per_second),
                one_line(device),
                one_line(best_type),
                rate(*best_per_second)
            ),
            Self::SmallBatch { found, is_limited } => {
                let SmallBatch { n_ubatch, n_larger, per_second, larger_per_second, .. } = *found;
                let logical = if *is_limited { format!("-b {n_larger} ") } else { String::new() };
                write!(
                    f,
                    "n_ubatch {n_ubatch} reaches {} of the matrix rate that {n_larger} reaches ({} against {}, {} on {}): \
                     try {logical}-ub {n_larger}.",
                    Share::new(per_second / larger_per_second).map_or_else(String::new, percent),
                    rate(per_second),
                    rate(larger_per_second),
                    one_line(&found.data_type),
                    one_line(&found.device)
                )
            }
            Self::Unknown { n_cells, test, why } => write!(
                f,
                "The share of the speed of light of {} is not known, first of {test}: {}.",
                count(*n_cells, "cell"),
                one_line(&why.to_string())
            ),
        }
    }
}

#[cfg(test)]
#[path = "light_tests.rs"]
mod tests;
