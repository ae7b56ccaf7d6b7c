//! Two files of serving: throughput and latencies of each load, repetition by repetition.

use std::time::Duration;

use llama_bench_rs::{
    judge::{Rule, Verdict},
    serve::{self, LoadComparison, LoadFigures, Metric, MetricComparison, ServeReport, ServeRun},
    units::{Share, words::duration},
};

use crate::{
    Failed, SLOWER, SOME_FAILED,
    args::Args,
    bad_usage,
    lines::{Comparison, Line, Of, verdict},
    write::write,
};

/// Compares the files and prints what they say; the exit status.
pub fn run(args: &Args, reports: &[ServeReport]) -> Result<u8, Failed> {
    let [before, after] = reports else {
        return Err(bad_usage("give two files, the earlier one first"));
    };
    let rule = Rule::new(Share::new(2.0 * args.noise.get()).unwrap_or(args.noise));
    let judged = serve::compare_reports(before, after, rule).map_err(bad_usage)?;
    let run = |report: &ServeReport, name: &str| -> Option<ServeRun> {
        let found = report.runs.iter().find(|run| run.name == name);
        found.or(report.runs.first()).cloned()
    };
    let mut all = Vec::new();
    for pair in &judged {
        let sides = [run(before, &pair.before), run(after, &pair.after)];
        let lines = pair.loads.iter().flat_map(|load| {
            let figures = sides
                .each_ref()
                .map(|side| side.as_ref().and_then(|run| Some(run.load(&load.arrivals)?.figures(None))));
            load.metrics.iter().map(|metric| line(load, metric, &figures)).collect::<Vec<_>>()
        });
        all.push(Comparison {
            name: pair.before.clone(),
            of: Of::Repetitions,
            light: Vec::new(),
            energy: Vec::new(),
            lines: lines.collect(),
            changes: Vec::new(),
        });
    }
    let [a, b] = [&args.files[0], &args.files[1]];
    args.format.tell(&format!("A: {}\nB: {}\n", a.display(), b.display()));
    write(args.format, &all)?;
    for pair in &judged {
        for arrivals in &pair.uncompared {
            complain!("compare: left out, not served on both sides: {arrivals}");
        }
    }
    args.format.tell(&format!(
        "\nRepetitions of the same number had the same requests and are compared as pairs. {rule} p is corrected for the \
         number of lines."
    ));
    let is_slower = judged.iter().any(|pair| pair.has(Verdict::Regressed));
    Ok(match (before.is_complete() && after.is_complete(), is_slower) {
        (_, true) => SLOWER,
        (true, false) => 0,
        (false, false) => SOME_FAILED,
    })
}

fn line(load: &LoadComparison, metric: &MetricComparison, figures: &[Option<LoadFigures>; 2]) -> Line {
    let rate = |figures: &Option<LoadFigures>| Some(figures.as_ref()?.generation?.value.get());
    let time = |figures: &Option<LoadFigures>| time(metric.metric, figures.as_ref()?);
    let [a, b] = match metric.metric {
        Metric::Throughput => figures.each_ref().map(rate),
        _ => [None, None],
    };
    let times = match figures.each_ref().map(time) {
        [Some(a), Some(b)] => format!(" ({} and {})", duration(a), duration(b)),
        _ => String::new(),
    };
    let says = match metric.judged {
        None => "not known: serve more requests (--requests)".to_owned(),
        Some(judged) => {
            let more = || format!("cannot tell: {}", Of::Repetitions.of_more());
            verdict(judged.finding, judged.speedup).unwrap_or_else(more) + &times
        }
    };
    Line {
        name: format!("{}, {}", load.arrivals, metric.metric),
        a,
        b,
        speedup: metric.judged.map(|judged| judged.speedup),
        bounds: metric.judged.and_then(|judged| judged.bounds),
        p_value: metric.judged.and_then(|judged| judged.p_value),
        verdict: metric.judged.map(|judged| judged.finding.verdict),
        says,
    }
}

/// The latency of a side.
fn time(metric: Metric, figures: &LoadFigures) -> Option<Duration> {
    let figure = match metric {
        Metric::TtftP50 => figures.ttft.p50,
        Metric::TtftP99 => figures.ttft.p99,
        Metric::ItlP50 => figures.itl.p50,
        Metric::ItlP99 => figures.itl.p99,
        _ => None,
    };
    figure.map(|figure| figure.value)
}
