//! The figures of a run as tables.

use std::time::Duration;

use maud::{Markup, html};

use crate::{
    record::{Cell, Outcome, Run, Sample},
    report::{
        answer::{LightFigure, light_caption},
        figures::Figures,
        in_words::{duration, percent},
        svg::figure,
    },
    stats::{Quantity as _, Samples, Transient},
    units::{Change, TokensPerSecond, words::digits},
};

/// A table under its caption. On a narrow screen it scrolls in its own box.
pub(super) fn scrolled(caption: &str, table: Markup) -> Markup {
    html! {
        p class="caption" { (caption) }
        (scroll(caption, table))
    }
}

/// The same without a caption; a keyboard can scroll it.
pub(super) fn scroll(name: &str, table: Markup) -> Markup {
    html! { div class="scroll" tabindex="0" role="region" aria-label=(name) { (table) } }
}

/// One line per cell: speed with its uncertainty, and time.
pub(super) fn cells(run: &Run) -> Markup {
    let caption = "Each test at each depth. ±: half the 95 % interval of the mean within this run, without the spread between \
                   runs; cv: standard deviation over mean; p50, p90, p99: percentiles of the repetitions' times.";
    let energy = |cell: &Cell| {
        let energy = run.header.energy_of(cell)?;
        Some(energy.map_or_else(|_| "–".into(), |energy| digits(energy.per_token(), 3)))
    };
    let has_energy = run.cells.iter().any(|cell| run.header.energy_of(cell).is_some());
    let figure = |cell: &Cell| Some(LightFigure::from(&run.header.light_of(cell)?.ok()?));
    let lights: Vec<LightFigure> = run.cells.iter().filter_map(figure).collect();
    let caption = match light_caption(&lights) {
        Some(of_light) => format!("{caption} {of_light}"),
        None => caption.to_owned(),
    };
    let light = |cell: &Cell| Some(figure(cell)?.to_string());
    let has_light = run.cells.iter().any(|cell| run.header.light_of(cell).is_some());
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "test" }
                    (heading("mean", "t/s"))
                    (heading("±", "in the run"))
                    (heading("cv", "of t/s"))
                    (heading("n", ""))
                    (heading("mean", "time"))
                    @for name in ["p50", "p90", "p99"] { (heading(name, "time")) }
                    @if has_energy { (heading("energy", "J/token")) }
                    @if has_light { (heading("of light", "")) }
                }
            }
            tbody {
                @for cell in &run.cells {
                    tr {
                        (cell_row(cell))
                        @if has_energy { (value_of(energy(cell))) }
                        @if has_light { (value_of(light(cell))) }
                    }
                }
            }
        }
    };
    scrolled(&caption, table)
}

pub(super) fn heading(name: &str, unit: &str) -> Markup {
    html! { th scope="col" { (name) @if !unit.is_empty() { " " span class="unit" { (unit) } } } }
}

/// A value, or a dash for one that does not exist.
fn value_of(value: Option<String>) -> Markup {
    html! { td { @match value { Some(value) => (value), None => "–" } } }
}

fn cell_row(cell: &Cell) -> Markup {
    let known = Figures::of(cell);
    let of = |value: fn(&Figures) -> Option<String>| value_of(known.as_ref().and_then(value));
    let quantile = |p: f64| {
        let times = known.as_ref().and_then(|known| known.times.as_ref());
        value_of(times.and_then(|times| times.quantile(p)).map(duration))
    };
    html! {
        th scope="row" { (cell.test) }
        @if let Outcome::Failed(failure) = &cell.outcome {
            td class="failed" colspan="8" { strong { (failure.kind) } " " (failure.message) }
        } @else {
            (of(|known| Some(figure(known.rate.get()))))
            (of(|known| Some(format!("± {}", percent(known.relative_half_width()?)))))
            (of(|known| Some(percent(known.cv?))))
            (of(|known| Some(known.times.as_ref()?.n().to_string())))
            (of(|known| Some(duration(known.time))))
            @for p in [0.5, 0.9, 0.99] { (quantile(p)) }
        }
    }
}

/// One line per cell whose tokens were timed one by one.
pub(super) fn steps(run: &Run) -> Markup {
    let timed: Vec<_> = run.cells.iter().filter_map(|cell| Some((cell, cell.step_summary()?))).collect();
    let caption = "First: the first step of a repetition; slow: how many steps at its beginning are slow, and how much \
                   longer they take together than steady ones; steady: the median of the others; p50, p90, p99: \
                   percentiles of all steps.";
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "test" }
                    @for name in ["first", "slow", "steady", "p50", "p90", "p99", "longest", "jitter", "steps"] {
                        (heading(name, ""))
                    }
                }
            }
            tbody {
                @for (cell, steps) in &timed {
                    tr {
                        th scope="row" { (cell.test) }
                        (value_of(Some(duration(steps.first))))
                        (value_of(steps.transient.map(slow)))
                        (value_of(steps.steady.map(duration)))
                        (value_of(Some(duration(steps.p50))))
                        (value_of(Some(duration(steps.p90))))
                        (value_of(Some(duration(steps.p99))))
                        (value_of(Some(duration(steps.max))))
                        (value_of(steps.jitter.map(duration)))
                        (value_of(Some(steps.n_steps.to_string())))
                    }
                }
            }
        }
    };
    html! {
        @if !timed.is_empty() {
            h4 { "Time per generated token" }
            (scrolled(caption, table))
        }
    }
}

fn slow(transient: Transient) -> String {
    format!("{}: +{}", transient.n_steps, duration(transient.excess))
}

/// Every repetition, folded away.
pub(super) fn repetitions(run: &Run) -> Markup {
    let samples = || run.cells.iter().filter_map(|cell| Some((cell, cell.measured()?)));
    let n: usize = samples().map(|(_, measured)| measured.samples.len()).sum();
    let caption = "In the order of each test. Began: counted from the start of the run; against p50: how much longer or \
                   shorter than the test's median repetition.";
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "test" }
                    (heading("repetition", ""))
                    (heading("began", ""))
                    (heading("time", ""))
                    (heading("against p50", ""))
                    (heading("speed", "t/s"))
                }
            }
            tbody {
                @for (cell, measured) in samples() {
                    @let times = Samples::new(measured.samples.iter().map(|sample| sample.elapsed));
                    @let median = times.map(|times| times.median());
                    @if let Some(sample) = &measured.live { (repetition(cell, "after the fill", sample, median)) }
                    @for (i, sample) in (1..).zip(&measured.samples) {
                        (repetition(cell, &i.to_string(), sample, median))
                    }
                }
            }
        }
    };
    html! {
        @if n > 0 {
            details {
                summary { "All " (n) " repetitions" }
                (scrolled(caption, table))
            }
        }
    }
}

fn repetition(cell: &Cell, name: &str, sample: &Sample, median: Option<Duration>) -> Markup {
    let speed = TokensPerSecond::from_elapsed(cell.test.n_tokens().into(), sample.elapsed);
    let against = median.and_then(|median| Change::new(sample.elapsed.to_f64() / median.to_f64() - 1.0));
    html! {
        tr {
            th scope="row" { (cell.test) }
            td { (name) }
            (value_of(sample.at.map(duration)))
            (value_of(Some(duration(sample.elapsed))))
            (value_of(against.map(|change| format!("{change:.2}"))))
            (value_of(speed.map(|speed| figure(speed.get()))))
        }
    }
}
