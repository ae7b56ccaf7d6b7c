//! The figures of a run as tables.

use maud::{Markup, html};

use crate::{
    record::{Cell, Outcome, Run, Sample},
    report::in_words::duration,
    stats::Transient,
    units::TokensPerSecond,
};

/// One line per cell: speed with its uncertainty, and the time that it means.
pub(super) fn cells(run: &Run) -> Markup {
    html! {
        p class="caption" {
            "Speed of each test at each depth. The interval is of the mean within this run, and does not know how far runs lie apart; cv is "
            "the standard deviation over the mean."
        }
        div class="scroll" {
            table {
                thead {
                    tr {
                        th scope="col" { "test" }
                        (heading("mean", "t/s"))
                        (heading("95 % interval", "t/s, within this run"))
                        (heading("median", "t/s"))
                        (heading("cv", "%"))
                        (heading("n", ""))
                        (heading("time", "mean"))
                    }
                }
                tbody { @for cell in &run.cells { tr { (cell_row(cell)) } } }
            }
        }
    }
}

pub(super) fn heading(name: &str, unit: &str) -> Markup {
    html! { th scope="col" { (name) @if !unit.is_empty() { " " span class="unit" { (unit) } } } }
}

/// A value, or a dash for one that does not exist.
fn value(value: Option<String>) -> Markup {
    html! { td { @match value { Some(value) => (value), None => "–" } } }
}

fn cell_row(cell: &Cell) -> Markup {
    let percent = |ratio: f64| format!("{:.2}", ratio * 100.0);
    html! {
        th scope="row" { (cell.test) }
        @match &cell.outcome {
            Outcome::Failed(failure) => td class="failed" colspan="6" {
                strong { (failure.kind) } " " (failure.message)
            },
            Outcome::Summarised(summary) => {
                (value(summary.rate.map(rate)))
                (value(None))
                (value(None))
                (value(summary.rate.zip(summary.rate_stddev).map(|(rate, s)| percent(s.get() / rate.get()))))
                (value(None))
                (value(Some(duration(summary.mean))))
            },
            Outcome::Measured(_) => {
                @let speed = cell.rate_summary();
                (value(speed.as_ref().map(|speed| rate(speed.mean))))
                (value(speed.as_ref().and_then(|speed| Some(format!("± {:.2}", speed.ci95?.half_width().get())))))
                (value(speed.as_ref().map(|speed| rate(speed.median))))
                (value(speed.as_ref().and_then(|speed| Some(percent(speed.cv?.get())))))
                (value(speed.as_ref().map(|speed| speed.n.to_string())))
                (value(cell.time_summary().map(|time| duration(time.mean))))
            },
        }
    }
}

fn rate(rate: TokensPerSecond) -> String {
    format!("{:.2}", rate.get())
}

/// One line per cell with single tokens timed.
pub(super) fn steps(run: &Run) -> Markup {
    let timed: Vec<_> = run.cells.iter().filter_map(|cell| Some((cell, cell.step_summary()?))).collect();
    html! {
        @if !timed.is_empty() {
            h3 { "Time per generated token" }
            p class="caption" {
                "First: the first step of a repetition; slow: how many steps at its beginning are slow, and how much "
                "longer they take together than steady ones; steady: the median of the others; p50, p90, p99: so many "
                "percent of all steps took no longer."
            }
            div class="scroll" {
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
                                (value(Some(duration(steps.first))))
                                (value(steps.transient.map(slow)))
                                (value(steps.steady.map(duration)))
                                (value(Some(duration(steps.p50))))
                                (value(Some(duration(steps.p90))))
                                (value(Some(duration(steps.p99))))
                                (value(Some(duration(steps.max))))
                                (value(steps.jitter.map(duration)))
                                (value(Some(steps.n_steps.to_string())))
                            }
                        }
                    }
                }
            }
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
    html! {
        @if n > 0 {
            details {
                summary { "All " (n) " repetitions" }
                p class="caption" { "In the order of each test; began: counted from the start of the run." }
                div class="scroll" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "test" }
                                (heading("repetition", ""))
                                (heading("began", ""))
                                (heading("time", "ms"))
                                (heading("speed", "t/s"))
                            }
                        }
                        tbody {
                            @for (cell, measured) in samples() {
                                @if let Some(sample) = &measured.live { (repetition(cell, "after the fill", sample)) }
                                @for (i, sample) in (1..).zip(&measured.samples) {
                                    (repetition(cell, &i.to_string(), sample))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn repetition(cell: &Cell, name: &str, sample: &Sample) -> Markup {
    let speed = TokensPerSecond::from_elapsed(cell.test.kind.n_tokens().into(), sample.elapsed);
    html! {
        tr {
            th scope="row" { (cell.test) }
            td { (name) }
            (value(sample.at.map(duration)))
            (value(Some(format!("{:.3}", sample.elapsed.as_secs_f64() * 1e3))))
            (value(speed.map(rate)))
        }
    }
}
