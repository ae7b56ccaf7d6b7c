//! A report as one web page that needs nothing else: no network, no script, no font.
//!
//! The page is also the data: it holds the report as JSON, which [`read_str`](super::read_str) finds in it.

mod data;
mod facts;
mod human;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Format, ReportError,
    svg::{self, DrawError, Picture},
};
use crate::record::{Report, Run};

pub use data::embedded_json;

/// How a statement is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Good,
    Note,
    Warning,
}

/// A sentence about the report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    level: Level,
    text: String,
}

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
    render(report, &[])
}

fn render(report: &Report, statements: &[Statement]) -> Result<String, ReportError> {
    let json = super::to_string(report, Format::Json)?;
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
                        @if let [run] = &report.runs[..] { p class="lede" { (facts::lede(&run.header)) } }
                        @if several { p class="lede" { (report.runs.len()) " runs side by side" } }
                    }
                    (said(statements))
                    @for picture in Picture::ALL { (drawn(report, picture)) }
                    @for (run, label) in report.runs.iter().zip(&labels) {
                        (run_section(run, label))
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

fn said(statements: &[Statement]) -> Markup {
    html! {
        @if !statements.is_empty() {
            section {
                h2 { "What it says" }
                ul class="statements" {
                    @for Statement { level, text } in statements {
                        @let (class, word) = match level {
                            Level::Good => ("good", "Good"),
                            Level::Note => ("note", "Note"),
                            Level::Warning => ("warning", "Warning"),
                        };
                        li class=(class) { strong { (word) } " " (text) }
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

fn run_section(run: &Run, label: &str) -> Markup {
    html! {
        section {
            h2 { @if label.is_empty() { "Results" } @else { (label) } }
            (tables::cells(run))
            (tables::steps(run))
            (facts::facts(&run.header))
            (tables::repetitions(run))
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
