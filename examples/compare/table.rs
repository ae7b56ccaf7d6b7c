//! What was measured, test by test, and what it says.

use llama_bench_rs::{
    bench::{Loaded, PageCache},
    judge::{self, Because, Bounds, Finding, Judgement, Rule, RunEstimate, TestJudgement},
    record::{Cell, Failure, Report, Run, Test},
    stats::Verdict,
    units::{Probability, Share, Speedup},
};

use crate::Args;

/// What the place of a mapped file's pages makes of the speed at most, where it was seen.
const PLACEMENT: f64 = 0.09;

/// The accepted chance that equal sides differ in any line, in percent.
const ALPHA: u32 = 1;

/// Prints the table; whether B is slower in any line.
pub fn print(args: &Args, measured: &Loaded) -> bool {
    let [a, b] = &measured.sides[..] else { return false };
    let rule = rule(args, &measured.page_cache);
    let judgement = judge::compare_paired(&runs(a), &runs(b), rule);
    tell_changes(a, b);
    say!("| test | A t/s | B t/s | B over A (95 % interval between loads) | p | verdict |");
    say!("| --- | ---: | ---: | ---: | ---: | --- |");
    let judged = judgement.as_ref().ok();
    for cell in a.runs.first().map_or(&[][..], |run| &run.cells) {
        row(cell.test, failure([a, b], cell.test), judged);
    }
    if let Some(judgement) = judged {
        shifts(judgement);
    }
    if let Err(error) = &judgement {
        say!("\nNothing can be compared: {error}");
    }
    tell_what_it_is_of(args, measured);
    judged.is_some_and(|judgement| judgement.with(Verdict::Regressed).next().is_some())
}

fn runs(side: &Report) -> Vec<&Run> {
    side.runs.iter().collect()
}

/// What a change must be to count: beyond what the place of pages makes, if that was the same in all loads.
fn rule(args: &Args, page_cache: &PageCache) -> Rule {
    let of_placement = Share::new(PLACEMENT).unwrap_or_default();
    let noise = match page_cache {
        PageCache::Kept(_) if of_placement > args.noise => of_placement,
        _ => args.noise,
    };
    // Half of a rule's tolerance never counts.
    let mut rule = Rule::new(Share::new(2.0 * noise.get()).unwrap_or(noise));
    rule.alpha = Probability::percent(ALPHA);
    rule
}

/// What llama.cpp computes in another way on side B, whatever the clock says.
fn tell_changes(a: &Report, b: &Report) {
    let (Some(a), Some(b)) = (a.runs.first(), b.runs.first()) else { return };
    let changes = llama_bench_rs::record::work::changes(&a.header, &b.header);
    for change in &changes {
        say!("B: {change}");
    }
    if !changes.is_empty() {
        say!("");
    }
}

/// The first failure of a test in any load.
fn failure(sides: [&Report; 2], test: Test) -> Option<&Failure> {
    let of_test = |cell: &&Cell| cell.test == test;
    sides
        .into_iter()
        .flat_map(|side| &side.runs)
        .flat_map(|run| &run.cells)
        .filter(of_test)
        .find_map(Cell::failure)
}

fn row(test: Test, failure: Option<&Failure>, judgement: Option<&Judgement>) {
    let judged = judgement.and_then(|all| all.tests.iter().find(|judged| judged.test == test));
    let rate = |estimate: Option<&RunEstimate>| {
        let rate = estimate.and_then(|estimate| estimate.rate(test.kind.n_tokens()));
        rate.map_or_else(String::new, |rate| format!("{:.2}", rate.get()))
    };
    let (before, after) = (rate(judged.map(|one| &one.before)), rate(judged.map(|one| &one.after)));
    let (change, p, verdict) = match (failure, judged) {
        (Some(failure), _) => (String::new(), String::new(), failure.message.clone()),
        (None, Some(one)) => (change(one.speedup, one.bounds), p_value(one.p_value), words(one)),
        (None, None) => (String::new(), String::new(), "not measured on both sides".into()),
    };
    say!("| {test} | {before} | {after} | {change} | {p} | {verdict} |");
}

/// The lines of what all tests of a kind share.
fn shifts(judgement: &Judgement) {
    for shift in &judgement.shifts {
        let verdict = verdict(shift.finding, shift.speedup).unwrap_or_else(|| "cannot tell".into());
        let change = change(shift.speedup, shift.bounds);
        let (kind, p) = (shift.kind.family(), p_value(shift.p_value));
        say!("| all {kind} | | | {change} | {p} | {verdict} |");
    }
}

/// `1.032 (1.010 to 1.055)`.
fn change(speedup: Speedup, bounds: Option<Bounds<Speedup>>) -> String {
    let bounds =
        bounds.map(|Bounds { lower, upper, .. }| format!(" ({:.3} to {:.3})", lower.get(), upper.get()));
    format!("{:.3}{}", speedup.get(), bounds.unwrap_or_default())
}

fn p_value(p: Option<Probability>) -> String {
    p.map_or_else(String::new, |p| format!("{p:.4}"))
}

fn tell_what_it_is_of(args: &Args, measured: &Loaded) {
    let n_loads = measured.sides.first().map_or(0, |side| side.runs.len());
    let (loads, n_reps) = (if n_loads == 1 { "load" } else { "loads" }, args.n_reps);
    say!(
        "\nOf {n_loads} {loads} of each side, in turn, in fresh contexts; with {n_reps} repetitions in each. A verdict of \
         change needs p under 0.0{ALPHA}, corrected for the number of lines."
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

/// The verdict of a line, unless it is that nothing can be told.
fn verdict(finding: Finding, speedup: Speedup) -> Option<String> {
    let percent = (speedup.get() - 1.0).abs() * 100.0;
    Some(match finding.verdict {
        Verdict::Improved => format!("B is {percent:.1} % faster"),
        Verdict::Regressed => format!("B is {percent:.1} % slower"),
        Verdict::NoChange => "no change".into(),
        Verdict::Inconclusive => finding.to_string(),
        _ => return None,
    })
}

fn words(judged: &TestJudgement) -> String {
    verdict(judged.finding, judged.speedup).unwrap_or_else(|| {
        if judged.finding.because == Because::OneRunEach {
            return "one load each: cannot tell; take more loads (--loads)".into();
        }
        let shown = match judged.detectable {
            // Further digits of an absurd number say nothing.
            Some(least) if least.get() >= 10.0 => "no slowdown under 999 % is sure to show; ".into(),
            Some(least) => format!("only a slowdown of {least:.1} is sure to show; "),
            None => String::new(),
        };
        format!("cannot tell: {shown}take more loads (--loads)")
    })
}
