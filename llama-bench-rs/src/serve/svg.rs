//! Pictures of serving: latency against throughput, and throughput by load.

use super::{Arrivals, Figure, LoadFigures, LoadRecord, ServeReport, ServeRun, said, words};
use crate::{
    report::svg::{Chart, ChartLine, ChartPanel, ChartPoint, DrawError, Drawing, clean, draw_chart},
    units::words::{duration, speed},
};

/// Draws all runs of a report, one colour for each configuration: the time to first token and the time between tokens by
/// throughput, and the throughput by load.
///
/// # Errors
/// No load was served.
pub fn draw(report: &ServeReport) -> Result<Drawing, DrawError> {
    let names: Vec<String> = words::names(report).iter().map(|name| clean(name)).collect();
    let mut runs: Vec<Vec<(&LoadRecord, LoadFigures)>> = report.runs.iter().map(words::figures).collect();
    // A search tries loads in another order.
    runs.iter_mut().for_each(|loads| loads.sort_by(|a, b| size(a.0).total_cmp(&size(b.0))));
    let mut panels = vec![
        latency("Time to first token", &runs, &names, |figures| [figures.ttft.p50, figures.ttft.p99]),
        latency("Time from token to token", &runs, &names, |figures| [figures.itl.p50, figures.itl.p99]),
    ];
    panels.extend([false, true].map(|of_open| throughput(&runs, &names, of_open)));
    let chart = Chart {
        title: "Serving many users",
        subtitle: report.runs.first().map(subtitle).unwrap_or_default(),
        caption: "Latency: median, and fainter the 99th percentile where it is known; each point is a load, with its \
                  users or requests per second. Whiskers: 95 % interval over repetitions."
            .to_owned(),
        names,
        panels,
    };
    draw_chart(chart, "no load was served")
}

fn size(load: &LoadRecord) -> f64 {
    words::size(&load.arrivals)
}

fn is_open(load: &LoadRecord) -> bool {
    matches!(load.arrivals, Arrivals::Open { .. })
}

fn subtitle(run: &ServeRun) -> String {
    clean(&said::subject(run))
}

/// The number of users or the rate, as short as it goes.
fn label(arrivals: &Arrivals) -> String {
    words::size(arrivals).to_string()
}

type Times = [Option<Figure<std::time::Duration>>; 2];

/// Latency against the tokens that all users together receive per second.
fn latency(
    heading: &str,
    runs: &[Vec<(&LoadRecord, LoadFigures)>],
    names: &[String],
    of: fn(&LoadFigures) -> Times,
) -> ChartPanel {
    let point = |(load, figures): &(&LoadRecord, LoadFigures), at: usize| {
        let (x, y) = (figures.generation?.value.get(), of(figures)[at]?);
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        Some(ChartPoint {
            at: (x, ms(y.value)),
            interval: y.upper.map(|upper| (y.lower.map_or(0.0, ms), ms(upper))),
            label: label(&load.arrivals),
        })
    };
    let line = |name: usize, of_open: bool, at: usize| {
        let loads = runs[name].iter().filter(|(load, _)| is_open(load) == of_open);
        ChartLine { name, is_faint: at > 0, points: loads.filter_map(|load| point(load, at)).collect() }
    };
    let lines = (0..runs.len()).flat_map(|name| {
        [(false, 0), (false, 1), (true, 0), (true, 1)].map(|(open, at)| line(name, open, at))
    });
    ChartPanel {
        heading: heading.to_owned(),
        note: "ms, by throughput".to_owned(),
        description: describe(runs, names, |figures| {
            let [p50, p99] = of(figures);
            let p50 = format!("median {}", duration(p50?.value));
            Some(p99.map_or(p50.clone(), |p99| format!("{p50} and 99th percentile {}", duration(p99.value))))
        }),
        x_name: "generated t/s, all users together",
        lines: lines.filter(|line| !line.points.is_empty()).collect(),
    }
}

/// Tokens per second of all users together, by the number of users, or in an open loop by the rate.
fn throughput(runs: &[Vec<(&LoadRecord, LoadFigures)>], names: &[String], of_open: bool) -> ChartPanel {
    let point = |(load, figures): &(&LoadRecord, LoadFigures)| {
        let rate = figures.generation.filter(|_| is_open(load) == of_open)?;
        Some(ChartPoint {
            at: (size(load), rate.value.get()),
            interval: rate.upper.map(|upper| (rate.lower.map_or(0.0, |lower| lower.get()), upper.get())),
            label: String::new(),
        })
    };
    let line = |(name, loads): (usize, &Vec<(&LoadRecord, LoadFigures)>)| ChartLine {
        name,
        is_faint: false,
        points: loads.iter().filter_map(point).collect(),
    };
    ChartPanel {
        heading: format!("Throughput by {}", if of_open { "rate of arrivals" } else { "users" }),
        note: "generated t/s, all users together".to_owned(),
        description: describe(runs, names, |figures| {
            Some(format!("{} t/s", speed(figures.generation?.value)))
        }),
        x_name: if of_open { "requests per second" } else { "users" },
        lines: runs.iter().enumerate().map(line).filter(|line| !line.points.is_empty()).collect(),
    }
}

/// The figures of all lines in words.
fn describe(
    runs: &[Vec<(&LoadRecord, LoadFigures)>],
    names: &[String],
    figure: impl Fn(&LoadFigures) -> Option<String>,
) -> String {
    let sentence = |(loads, name): (&Vec<(&LoadRecord, LoadFigures)>, &String)| {
        let told = loads
            .iter()
            .filter_map(|(load, figures)| Some(format!("{} with {}", figure(figures)?, load.arrivals)));
        let told = told.collect::<Vec<_>>().join(", ");
        if told.is_empty() { told } else { words::before(name, &format!("{told}.")) }
    };
    let sentences = runs.iter().zip(names).map(sentence).filter(|sentence| !sentence.is_empty());
    sentences.collect::<Vec<_>>().join(" ")
}
