//! Two sides measured now.

use std::path::Path;

use llama_bench_rs::{
    bench::{Loaded, Loads, PageCache, Plan},
    judge::{self, Rule},
    llama::Backend,
    record::{Cell, Report, Run},
    report::{FileSink, Format, ReportError},
    units::{Probability, Share, words},
};

use crate::{
    BAD_USAGE, Failed, SLOWER, SOME_FAILED,
    args::Args,
    bad_usage, deaths,
    lines::{Comparison, Of},
    progress::Progress,
    side::{Side, n_bytes},
    signals::Interrupt,
    write::write,
};

/// The largest effect on speed of the place of a mapped file's pages that was seen.
const PLACEMENT: Share = Share::percent(9);

/// What the sides are called.
pub const SIDES: [&str; 2] = ["A", "B"];

/// The accepted chance that equal sides differ in any line, in percent: a load costs less than a false alarm.
const ALPHA: u32 = 1;

/// Measures both sides and prints what they say; the exit status.
pub fn run(args: &Args) -> Result<u8, Failed> {
    let backend = Backend::init().map_err(llama_bench_rs::Error::from)?;
    let line: Vec<_> = std::env::args_os().collect();
    let a = Side::new(&backend, &line, "--a", &args.a)?;
    let b = Side::new(&backend, &line, "--b", args.b.as_deref().unwrap_or_default())?;
    if a.servers() != b.servers() {
        return Err(bad_usage(
            "--a and --b name different servers (--rpc), and devices of all servers are used for both: name the same for both, \
             and choose among their devices with -dev",
        ));
    }
    let plans = [a.plan(args)?, b.plan(args)?];
    // All that can be wrong with the request is found before a model is loaded.
    let file = if args.plan { None } else { args.output.as_deref() };
    let file = file.map(|path| open(path, args.force)).transpose()?;
    let bytes = n_bytes([&a, &b]);
    let n_loads = args.loads.unwrap_or_else(|| default_loads(bytes));
    if args.plan {
        say!("A: {}\nB: {}\n", a.name(), b.name());
        tell_plan(&plans, bytes, n_loads);
        return Ok(0);
    }
    args.format.tell(&format!("A: {}\nB: {}\n", a.name(), b.name()));
    let interrupt = Interrupt::watch().map_err(bad_usage)?;
    let progress = Progress::new(n_loads, args.quiet);
    let mut tell = |load| progress.load(load);
    let mut kept = file.map(Ok);
    let mut n_kept = 0;
    let mut keep = |runs: &[&Run]| {
        keep(&mut kept, runs);
        n_kept += 1;
        for (side, run) in SIDES.into_iter().zip(runs) {
            if let Some(why) = deaths::why(run) {
                complain!("compare: {side}, load {n_kept}: {why}");
            }
        }
    };
    let isolation = args.isolate.isolation(a.servers());
    let is_apart = isolation.is_some();
    let loads = match isolation {
        Some(isolation) => Loads::new(n_loads).isolated(isolation),
        None => Loads::new(n_loads),
    };
    let mut measured = loads
        .side(a.source.clone(), &a.model, |sweep| a.ask(args, sweep))
        .side(b.source.clone(), &b.model, |sweep| b.ask(args, sweep))
        .observer(&mut tell)
        .keeper(&mut keep)
        .cancel(interrupt.cancel().clone())
        .run()?;
    let kept = kept.map_or(Ok(()), |file| file.and_then(FileSink::finish));
    let interrupted = interrupt.status();
    if let Some(status) = interrupted {
        leave_out_begun(&mut measured.sides);
        let n_complete = measured.sides.first().map_or(0, |side| side.runs.len());
        if n_complete == 0 {
            let message = "interrupted in the first load: there is nothing to compare".into();
            return Err(Failed { message, status });
        }
        complain!("compare: interrupted after {n_complete} of {n_loads} loads, which are compared");
    }
    let [of_a, of_b] = &measured.sides[..] else {
        return Err(Failed { message: "a side was not measured".into(), status: SOME_FAILED });
    };
    let rule = rule(args, &measured.page_cache);
    let judged = judge::compare_paired(&runs(of_a), &runs(of_b), rule);
    let comparison = Comparison::new("", &runs(of_a), &runs(of_b), judged.as_ref().ok(), Of::Loads)
        .with_energy(&runs(of_a), &runs(of_b), rule);
    write(args.format, std::slice::from_ref(&comparison))?;
    if args.ceilings.are_asked() && comparison.light.is_empty() {
        complain!(
            "compare: no ceilings: the devices cannot be measured (a split by tensor, devices of other machines), or no test was measured"
        );
    }
    if let Err(error) = &judged {
        args.format.tell(&format!("\nNothing can be compared: {error}"));
    }
    deaths::lines([of_a, of_b]).iter().for_each(|line| args.format.tell(line));
    tell_what_it_is_of(args, is_apart, &measured, rule);
    kept?;
    if let Some(status) = interrupted {
        return Ok(status);
    }
    let is_complete = measured.sides.iter().all(Report::is_complete);
    Ok(match (is_complete, comparison.is_slower()) {
        (_, true) => SLOWER,
        (true, false) => 0,
        (false, false) => SOME_FAILED,
    })
}

/// Drops the load that was interrupted, of every side. A cell that fails in every load does not make it one.
fn leave_out_begun(sides: &mut [Report]) {
    let is_cut = |side: &Report| {
        let Some((last, before)) = side.runs.split_last() else { return false };
        let fails_always = |test| {
            let mut cells = before.iter().flat_map(|run| &run.cells);
            cells.any(|cell| cell.test == test && cell.failure().is_some())
        };
        let is_cut = |cell: &Cell| {
            let has_failed = cell.failure().is_some() && !fails_always(cell.test);
            has_failed || cell.cut_short(&last.header.config).is_some()
        };
        last.cells.iter().any(is_cut)
    };
    if sides.iter().any(is_cut) {
        for side in sides {
            side.runs.pop();
        }
    }
}

fn runs(side: &Report) -> Vec<&Run> {
    side.runs.iter().collect()
}

/// Many if a load is cheap. With fewer than four, Student's t finds only large differences.
fn default_loads(n_bytes: u64) -> u32 {
    const GIB: u64 = 1 << 30;
    match n_bytes {
        0..=0x8000_0000 => 10,
        n if n <= 16 * GIB => 6,
        _ => 4,
    }
}

/// What a change must be to count: beyond what the place of pages makes, if that was the same in all loads.
fn rule(args: &Args, page_cache: &PageCache) -> Rule {
    let noise = match page_cache {
        PageCache::Kept(_) if PLACEMENT > args.noise => PLACEMENT,
        _ => args.noise,
    };
    // Half of a rule's tolerance never counts.
    let mut rule = Rule::new(Share::new(2.0 * noise.get()).unwrap_or(noise));
    rule.alpha = Probability::percent(ALPHA);
    rule
}

fn tell_plan(plans: &[Plan; 2], bytes: u64, n_loads: u32) {
    let count = |n: u64| n.saturating_mul(u64::from(n_loads));
    let sum = |of: &dyn Fn(&Plan) -> u64| plans.iter().map(of).sum::<u64>();
    say!("loads of each side: {n_loads}, in memory at once: both sides");
    say!("bytes to load: {} each time, {} in all", words::bytes(bytes), words::bytes(count(bytes)));
    say!("tokens to fill: {}", count(sum(&|plan| plan.n_fill_tokens())));
    say!("tokens to time: {}", count(sum(&|plan| plan.n_timed_tokens())));
    crate::print::out_wrapped(
        "\nWhere a model and its context lie in memory changes from load to load and makes up to 9 % of the speed on a CPU. \
         One load cannot tell that from a difference between the sides: --loads 1 shows the change without a verdict, and \
         with 2 or 3 loads only large differences have one. Mapped files of two sides that differ are read from disk again \
         for each load.",
    );
}

fn tell_what_it_is_of(args: &Args, is_apart: bool, measured: &Loaded, rule: Rule) {
    let n_loads = measured.sides.first().map_or(0, |side| side.runs.len());
    let where_from = if is_apart { "each in a process of its own" } else { "in fresh contexts" };
    let n_whole = deaths::n_whole(&measured.sides);
    let loads = if n_whole == n_loads {
        words::count(n_loads, "load")
    } else {
        format!("{n_whole} whole loads of {n_loads}")
    };
    args.format.tell(&format!(
        "\nOf {loads} of each side, in turn, {where_from}, with {} in each. {rule} p is corrected for the number of lines.",
        words::count(args.n_reps, "repetition")
    ));
    match &measured.page_cache {
        PageCache::Redrawn => args.format.tell(
            "The mapped files were read from disk again for each load: their pages lay elsewhere each time.",
        ),
        PageCache::Kept(why) => args.format.tell(&format!(
            "Both sides map files whose pages lay in the same place in every load, since {why}. That alone can make \
             {PLACEMENT:.0} of the speed: smaller differences have no verdict. Copy the files to a disk, or use -lm none."
        )),
        _ => {}
    }
}

/// The file for the results, before anything is measured.
fn open(path: &Path, force: bool) -> Result<FileSink, Failed> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let format: Format =
        extension.parse().map_err(|e| bad_usage(format!("--output {}: {e}", path.display())))?;
    if !force && path.is_file() && path.metadata().is_ok_and(|file| file.len() > 0) {
        return Err(bad_usage(format!(
            "--output {} holds results already: replace it (--force) or name another file",
            path.display()
        )));
    }
    FileSink::create(format, path)
        .map_err(|e| Failed { message: format!("--output {}: {e}", path.display()), status: BAD_USAGE })
}

/// Writes the runs of a load, if there is a file that takes them: whatever ends the process later, they are in it.
fn keep(file: &mut Option<Result<FileSink, ReportError>>, runs: &[&Run]) {
    let Some(Ok(sink)) = file else { return };
    let mut write = || -> Result<(), ReportError> {
        for run in runs {
            sink.begin(&run.header)?;
            sink.curve(&run.curve);
            run.cells.iter().try_for_each(|cell| sink.cell(&run.header, cell))?;
        }
        Ok(())
    };
    if let Err(error) = write() {
        *file = Some(Err(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_models_are_loaded_more_often() {
        assert_eq!([0, 250 << 20, 5 << 30, 60 << 30].map(default_loads), [10, 10, 6, 4]);
    }
}
