//! What was measured, cell by cell, and what it says.

use std::time::Duration;

use llama_bench_rs::{
    bench::{Loaded, PageCache},
    record::{Cell, Failure, Report},
    stats::{CompareError, Comparison, Samples, Threshold, Verdict, time_of_runs},
    units::{Share, TokensPerSecond},
};

use crate::Args;

/// What the place of a mapped file's pages makes of the speed at most, where it was seen.
const PLACEMENT: f64 = 0.09;

/// The accepted chance that equal sides differ in any cell.
const ALPHA: f64 = 0.01;

/// One test of both sides.
struct Row<'a> {
    cell: &'a Cell,
    /// The times of each side, a set a load.
    times: [Vec<Samples<Duration>>; 2],
    /// The index of the comparison, or why there is none.
    outcome: Result<usize, CompareError>,
    failure: Option<&'a Failure>,
}

/// Prints the table; whether B is slower in any cell.
pub fn print(args: &Args, measured: &Loaded) -> bool {
    let threshold = threshold(args, &measured.page_cache);
    let mut compared = Vec::new();
    let rows = rows(measured, threshold, &mut compared);
    Comparison::correct(&mut compared);
    say!("| test | A t/s | B t/s | B over A (95 % interval between loads) | p | verdict |");
    say!("| --- | ---: | ---: | ---: | ---: | --- |");
    for row in &rows {
        let rates: Vec<Option<f64>> = row.times.iter().map(|side| rate(row.cell, side)).collect();
        let shown = |rate: &Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.2}"));
        let (change, p, verdict) = match (&row.outcome, row.failure) {
            (_, Some(failure)) => (String::new(), String::new(), failure.message.clone()),
            (Ok(i), None) => {
                let c = &compared[*i];
                let change = format!("{:.3} ({:.3} to {:.3})", c.speedup.get(), c.lower.get(), c.upper.get());
                (change, format!("{:.4}", c.p_value.get()), words(c))
            }
            (Err(error), None) => {
                // The change is shown; one load says nothing of how far loads lie apart.
                let change = rates[0].zip(rates[1]).map(|(a, b)| format!("{:.3}", b / a));
                let why = match error {
                    CompareError::OnePair => {
                        "one load each: cannot tell; take more loads (--loads)".to_owned()
                    }
                    error => error.to_string(),
                };
                (change.unwrap_or_default(), String::new(), why)
            }
        };
        say!(
            "| {} | {} | {} | {change} | {p} | {verdict} |",
            row.cell.test,
            shown(&rates[0]),
            shown(&rates[1])
        );
    }
    tell_what_it_is_of(args, measured);
    compared.iter().any(|comparison| comparison.verdict == Verdict::Regressed)
}

/// What a change must be to count: beyond what the place of pages makes, if that was the same in all loads.
fn threshold(args: &Args, page_cache: &PageCache) -> Threshold {
    let of_placement = Share::new(PLACEMENT).unwrap_or_default();
    let noise = match page_cache {
        PageCache::Kept(_) if of_placement > args.noise => of_placement,
        _ => args.noise,
    };
    let alpha = Probability::new(ALPHA).unwrap_or_default();
    Threshold { noise, alpha }
}

fn rows<'a>(measured: &'a Loaded, threshold: Threshold, compared: &mut Vec<Comparison>) -> Vec<Row<'a>> {
    let [a, b] = &measured.sides[..] else { return Vec::new() };
    let Some(first) = a.runs.first() else { return Vec::new() };
    let row = |(i, cell): (usize, &'a Cell)| {
        let times = [a, b].map(|side| times(side, i));
        let failure = [a, b].into_iter().find_map(|side| {
            side.runs.iter().filter_map(|run| run.cells.get(i)).find_map(|cell| cell.failure())
        });
        let outcome = Comparison::of_paired_runs(&times[0], &times[1], threshold).map(|comparison| {
            // A failed cell has no verdict, so it must not weaken that of the others.
            if failure.is_none() {
                compared.push(comparison);
            }
            compared.len().saturating_sub(1)
        });
        Row { cell, times, outcome, failure }
    };
    first.cells.iter().enumerate().map(row).collect()
}

/// The times of the cell at this place, a set a load.
fn times(side: &Report, cell: usize) -> Vec<Samples<Duration>> {
    side.runs.iter().filter_map(|run| run.cells.get(cell)?.times()).collect()
}

/// Tokens per second by the figure that is compared.
fn rate(cell: &Cell, times: &[Samples<Duration>]) -> Option<f64> {
    let n_tokens = u64::from(cell.test.kind.n_tokens());
    TokensPerSecond::from_elapsed(n_tokens, time_of_runs(times)?).map(TokensPerSecond::get)
}

fn tell_what_it_is_of(args: &Args, measured: &Loaded) {
    let n_loads = measured.sides.first().map_or(0, |side| side.runs.len());
    let (loads, n_reps) = (if n_loads == 1 { "load" } else { "loads" }, args.n_reps);
    say!(
        "\nOf {n_loads} {loads} of each side, in turn, in fresh contexts; a load counts as the median of its {n_reps} \
         repetitions. A verdict of change needs p under {ALPHA}, corrected for the number of tests."
    );
    match &measured.page_cache {
        PageCache::Redrawn => {
            say!(
                "The mapped files were read from disk again for each load, so that their pages lay elsewhere."
            );
        }
        PageCache::Kept(why) => say!(
            "Both sides map files whose pages lay in the same place in every load, since {why}. That alone can make {:.0} % \
             of the speed: smaller differences have no verdict. Copy the files to a disk, or take load_mode=none.",
            PLACEMENT * 100.0
        ),
        _ => {}
    }
}

fn words(comparison: &Comparison) -> String {
    let percent = (comparison.speedup.get() - 1.0).abs() * 100.0;
    match comparison.verdict {
        Verdict::Improved => format!("B is {percent:.1} % faster"),
        Verdict::Regressed => format!("B is {percent:.1} % slower"),
        Verdict::NoChange => "no change".into(),
        _ => {
            let shown = match comparison.detectable_slowdown() {
                // Further digits of an absurd number say nothing.
                Some(least) if least.get() >= 10.0 => "no slowdown under 999 % is sure to show; ".into(),
                Some(least) => format!("only a slowdown of {least:.1} is sure to show; "),
                None => String::new(),
            };
            format!("cannot tell: {shown}take more loads (--loads)")
        }
    }
}
