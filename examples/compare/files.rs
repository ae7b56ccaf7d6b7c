//! Two files of results that were measured earlier.

use std::{
    io::{self, Read as _},
    path::Path,
};

use llama_bench_rs::{
    judge::{self, CompareError, Rule},
    record::{Report, Run},
    report::{self, ReportError},
    units::{Share, words},
};

use crate::{
    BAD_USAGE, Failed, SLOWER, SOME_FAILED,
    args::Args,
    bad_usage,
    form::Form,
    lines::{Comparison, Of},
    serving, serving_files,
    write::write,
};

/// Compares the files and prints what they say; the exit status.
pub fn run(args: &Args) -> Result<u8, Failed> {
    let [before, after] = &args.files[..] else {
        let n = args.files.len();
        let message = format!("{} named: give two, the earlier one first", words::count(n, "file"));
        return Err(bad_usage(message));
    };
    if let Some(reports) = serving_files::read(&args.files).map_err(bad_usage)? {
        return serving::run(args, &reports);
    }
    let (a, b) = (read(before)?, read(after)?);
    let rule = Rule::new(Share::new(2.0 * args.noise.get()).unwrap_or(args.noise));
    let judged = judge::compare_reports(&a, &b, rule).map_err(|error| match error {
        CompareError::NoRuns => bad_usage(format!(
            "{} and {} have no configuration in common: measure the same one, or compare files of one configuration each",
            before.display(),
            after.display()
        )),
        error => Failed { message: error.to_string(), status: SOME_FAILED },
    })?;
    let all: Vec<Comparison> = judged
        .pairs
        .iter()
        .map(|pair| {
            let (a, b) = (&pair.before, &pair.after);
            Comparison::new(&pair.name, a, b, Some(&pair.judgement), Of::Runs).with_energy(a, b, rule)
        })
        .collect();
    args.format.tell(&format!("A: {}\nB: {}\n", before.display(), after.display()));
    for pair in &judged.pairs {
        for difference in &pair.differences {
            complain!("compare: {}{difference}", prefix(&pair.name));
        }
    }
    write(args.format, &all)?;
    for (names, file) in [(&judged.only_before, before), (&judged.only_after, after)] {
        for name in names {
            complain!("compare: left out, in {} alone: {name}", file.display());
        }
    }
    tell_what_it_is_of(args.format, &judged, rule);
    let is_complete = a.is_complete() && b.is_complete();
    Ok(match (is_complete, all.iter().any(Comparison::is_slower)) {
        (_, true) => SLOWER,
        (true, false) => 0,
        (false, false) => SOME_FAILED,
    })
}

fn prefix(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!("{name}: ") }
}

fn tell_what_it_is_of(form: Form, judged: &judge::ReportJudgement<'_>, rule: Rule) {
    let n_runs = |of: fn(&judge::ConfigurationJudgement<'_>) -> usize| {
        words::counts(judged.pairs.iter().map(of), "run")
    };
    form.tell(&format!(
        "\nOf {} of A and {} of B, measured apart. {rule} p is corrected for the number of lines.",
        n_runs(|pair| n_measured(&pair.before)),
        n_runs(|pair| n_measured(&pair.after)),
    ));
    if judged.pairs.iter().any(|pair| pair.judgement.is_of_one_sitting == Some(true)) {
        form.tell(
            "All runs of a file are of one sitting: machines differ by some 2 % from day to day, which the intervals \
             assume. Measure again on another day, or both in turn (--a and --b), to know it.",
        );
    }
}

/// Runs that were interrupted before anything of them was measured are not compared.
fn n_measured(runs: &[&Run]) -> usize {
    runs.iter().filter(|run| run.cells.iter().any(|cell| cell.measured().is_some())).count()
}

fn read(path: &Path) -> Result<Report, Failed> {
    let loaded = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(|e| bad_usage(format!("standard input: {e}")))?;
        report::read_bytes(bytes)
    } else {
        report::read_file(path)
    };
    let loaded = loaded.map_err(|error| match error {
        // It names the file itself.
        ReportError::Read { .. } => Failed { message: error.to_string(), status: BAD_USAGE },
        error => bad_usage(format!("{}: {error}", path.display())),
    })?;
    for skipped in &loaded.skipped {
        complain!("compare: {}: left out: {skipped}", path.display());
    }
    Ok(loaded.report)
}
