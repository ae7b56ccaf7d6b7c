//! A report as one web page that needs nothing else: no network, no script, no font.
//!
//! The page is also the data: it holds the report as JSON, which [`read_str`](super::read_str) finds in it.

mod compare;
mod data;
mod facts;
mod tables;
mod work;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Format, ReportError,
    insights::{self, Insight, Level},
    svg::{self, DrawError, Picture},
};
use crate::record::Report;

pub use data::embedded_json;

/// The page: what was measured, what it says, the pictures, the tables, every repetition, and the report as JSON.
///
/// ```
/// # fn demo(report: &llama_bench_rs::record::Report) -> Result<(), Box<dyn std::error::Error>> {
/// std::fs::write("report.html", llama_bench_rs::report::html::page(report)?)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The report cannot be encoded as JSON.
pub fn page(report: &Report) -> Result<String, ReportError> {
    let json = super::to_string(report, Format::Json)?;
    let insights = insights::insights(report);
    let labels = svg::run_labels(report);
    let title = title(report);
    let several = report.runs.len() > 1;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Whatever a name in the report holds, the page loads and runs nothing.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="generator" content={ "llama-bench-rs " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                style { (PreEscaped(style())) }
            }
            body {
                main {
                    header {
                        h1 { (title) }
                        @if let [run] = &report.runs[..] {
                            p class="lede" { (facts::lede(&run.header)) }
                            (facts::facts(run))
                        }
                        @if several { p class="lede" { (report.runs.len()) " runs side by side" } }
                    }
                    @for picture in Picture::ALL { (drawn(report, picture)) }
                    @if !several { (said(&insights, 0)) }
                    (work::changed(report))
                    (compare::side_by_side(report))
                    @for (n, (run, label)) in report.runs.iter().zip(&labels).enumerate() {
                        section {
                            h2 { @if several { "Run " (n + 1) ": " (label) } @else { "Results" } }
                            @if several {
                                details { summary { "What was measured, and how" } (facts::facts(run)) }
                                (said(&insights, n))
                                h3 { "Speed" }
                            }
                            (tables::cells(run))
                            (tables::steps(run))
                            (tables::repetitions(run))
                            (work::graphs(run))
                        }
                    }
                    footer {
                        p {
                            "Made by llama-bench-rs " (env!("CARGO_PKG_VERSION")) ". This page holds every figure as "
                            "JSON, in the element " code { "#" (data::ID) } "."
                        }
                    }
                }
                (data::script(&json))
            }
        }
    };
    Ok(page.into_string())
}

fn title(report: &Report) -> String {
    let mut models: Vec<&str> = report
        .runs
        .iter()
        .map(|run| run.header.model.description.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    models.dedup();
    match models[..] {
        [] => "Benchmark of llama.cpp".to_owned(),
        [model] => model.to_owned(),
        [first, second] => format!("{first} and {second}"),
        [first, ..] => format!("{first} and {} other models", models.len() - 1),
    }
}

/// What is to say about one run.
fn said(insights: &[Insight], n_run: usize) -> Markup {
    let of_run = || insights.iter().filter(|insight| insight.run == n_run);
    html! {
        @if of_run().next().is_some() {
            section {
                h3 { "What it says" }
                ul class="statements" {
                    @for insight in of_run() {
                        @let (class, word) = match insight.level() {
                            Level::Good => ("good", "Good"),
                            Level::Note => ("note", ""),
                            Level::Warning => ("warning", "Warning"),
                        };
                        li class=(class) { @if !word.is_empty() { strong { (word) ": " } } (insight) }
                    }
                }
            }
        }
    }
}

fn drawn(report: &Report, picture: Picture) -> Markup {
    html! {
        @match svg::draw(report, picture) {
            Ok(drawing) => (PreEscaped(drawing.to_html())),
            // The tables say as much.
            Err(DrawError::Nothing { .. }) => {},
            Err(error) => p class="failed" { (error) },
        }
    }
}

/// The colours of the pictures hold for the whole page.
fn style() -> String {
    let (light, dark) = svg::properties();
    format!(
        ":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{}{}",
        svg::classes(),
        include_str!("style.css")
    )
}
