//! Serving as one web page that needs nothing else, and is also the data.

use maud::{Markup, PreEscaped, html};

use super::{
    LoadFigures, LoadRecord, ServeReport, ServeRun, files,
    said::{self, Level},
    svg, words,
};
use crate::report::{
    ReportError,
    html::{Document, document, script},
    svg::DrawError,
};

/// The page: the result, the figures of each load, the pictures, what they mean, the configuration, and the report as
/// JSON, which [`read_str`](super::read_str) finds in it.
///
/// # Errors
/// The report cannot be encoded as JSON.
pub fn page(report: &ServeReport) -> Result<String, ReportError> {
    let json = files::to_json(report)?;
    let names = words::names(report);
    let first = report.runs.first();
    let page = document(Document {
        title: "Serving many users",
        lede: &first.map(said::subject).unwrap_or_default(),
        headline: html! { @if let Some(run) = first { p class="headline note" { (said::headline(run)) } } },
        body: html! {
            @for (run, name) in report.runs.iter().zip(&names) { (of_run(run, name)) }
            (picture(report))
            @if let Some(run) = first { (configuration(run)) }
        },
        id: files::PAGE_ID,
        data: script(files::PAGE_ID, &json),
    });
    Ok(page.into_string())
}

fn of_run(run: &ServeRun, name: &str) -> Markup {
    html! {
        section {
            h2 { @if name.is_empty() { "Figures" } @else { (name) } }
            (table(run))
            ul class="statements" {
                @for said in said::said(run) {
                    li class=(match said.level {
                        Level::Good => "good",
                        Level::Note => "note",
                        Level::Warning => "warning",
                    }) { (said.text) }
                }
            }
        }
    }
}

/// Every percentile of every load.
fn table(run: &ServeRun) -> Markup {
    let loads: Vec<(&LoadRecord, LoadFigures)> =
        words::figures(run).into_iter().filter(|(_, figures)| figures.n_reps > 0).collect();
    let latencies = |figures: &LoadFigures| {
        [
            ("queueing", figures.queueing),
            ("TTFT", figures.ttft),
            ("ITL", figures.itl),
            ("total", figures.total),
        ]
    };
    let has_slo = run.settings.slo.is_some();
    html! {
        p class="caption" {
            "Means of the repetitions ± their 95 % interval. TTFT: from a request's arrival to its first token. ITL: from "
            "token to token. A percentile of too few observations is left out."
        }
        div class="scroll" {
            table {
                thead {
                    tr {
                        th scope="col" { "load" }
                        th scope="col" { "t/s" }
                        th scope="col" { "requests/s" }
                        @if has_slo { th scope="col" { "in time" } }
                        th scope="col" { "" }
                        @for p in [50, 90, 95, 99] { th scope="col" { "p" (p) } }
                    }
                }
                tbody {
                    @for (load, figures) in &loads {
                        @for (i, (name, percentiles)) in latencies(figures).into_iter().enumerate() {
                            tr {
                                @if i == 0 {
                                    th scope="row" { (load.arrivals) }
                                    td { (words::rate(figures.generation)) }
                                    td { (words::requests(figures.requests)) }
                                    @if has_slo {
                                        td { (words::share(figures.goodput.and_then(|goodput| goodput.share))) }
                                    }
                                } @else {
                                    th {} td {} td {}
                                    @if has_slo { td {} }
                                }
                                td { (name) }
                                @for (_, figure) in percentiles.each() { td { (words::time(figure)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn picture(report: &ServeReport) -> Markup {
    html! {
        @match svg::draw(report) {
            Ok(drawing) => section { (PreEscaped(drawing.to_html())) },
            // Nothing to draw is not a failure: the sentences say why.
            Err(DrawError::Nothing { .. }) => {},
            Err(error) => p class="failed" { (error) },
        }
    }
}

fn configuration(run: &ServeRun) -> Markup {
    html! {
        section {
            h2 { "Configuration" }
            dl class="facts" {
                @for fact in words::facts(run) { div { dt { (fact.label) } dd { (fact.value) } } }
            }
        }
    }
}
