//! A report as one web page that needs nothing else: no network, no script, no font.
//!
//! The page is also the data: it holds the report as JSON, which [`read_str`](super::read_str) finds in it.
//!
//! ```
//! use llama_bench_rs::report::{html, read_str};
//!
//! # fn demo(report: &llama_bench_rs::record::Report) -> llama_bench_rs::Result<()> {
//! let page = html::page(report)?;
//! assert_eq!(read_str(&page)?.report, *report);
//! # Ok(())
//! # }
//! # demo(&Default::default()).unwrap_err(); // nothing was measured, so there is nothing to read back
//! ```

mod answer;
mod best;
mod compare;
mod data;
mod facts;
mod levels;
mod profile;
mod spread;
mod tables;
mod work;

pub(crate) use data::script;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Format, ReportError,
    answer::Answer,
    begun::begun,
    insights::{self, Expectation, Insight, Statement},
    page_data,
    sides::{Files, sides},
    svg::{self, DrawError, Picture},
};
use crate::record::Report;
use facts::Facts;

/// The page: the result and its trust, the figures by depth and by number of sequences, the pictures, what they say, what to
/// run next, every repetition, the configuration, and the report as JSON.
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
    page_with(report, &[])
}

/// The same with a table of expectations and measured speeds.
///
/// # Errors
/// The report cannot be encoded as JSON.
#[doc(hidden)]
pub fn page_with(report: &Report, expectations: &[Expectation]) -> Result<String, ReportError> {
    let (json, files) = (super::to_string(report, Format::Json)?, files(report));
    let (answer, report) = (Answer::of(report, expectations), &*begun(report));
    let title = answer.headline.title();
    let page = document(Document {
        title: &title,
        lede: &facts::lede(report),
        headline: answer::headline(&answer),
        body: body(report, &answer),
        id: page_data::ID,
        data: html! {
            (data::script(page_data::ID, &json))
            @if let Some(files) = files { (data::script(page_data::FILES, &files)) }
        },
    });
    Ok(page.into_string())
}

/// The parts of a page.
pub(crate) struct Document<'a> {
    pub title: &'a str,
    /// What was measured, below the title.
    pub lede: &'a str,
    /// The result in a sentence.
    pub headline: Markup,
    /// The sections.
    pub body: Markup,
    /// The element with every figure as JSON.
    pub id: &'a str,
    /// That element, and others of data.
    pub data: Markup,
}

/// A page that needs nothing else.
pub(crate) fn document(parts: Document<'_>) -> Markup {
    let Document { title, lede, headline, body, id, data } = parts;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // The page loads and runs nothing, even if a name in the report asks for it.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="generator" content={ "llama-bench-rs " (env!("CARGO_PKG_VERSION")) };
                title { (title) }
                style { (PreEscaped(style())) }
            }
            body {
                main {
                    header {
                        h1 { (title) }
                        p class="lede" { (lede) }
                        (headline)
                    }
                    (body)
                    footer {
                        p {
                            "Made by llama-bench-rs " (env!("CARGO_PKG_VERSION")) ". This page holds every figure as "
                            "JSON, in the element " code { "#" (id) } "."
                        }
                    }
                }
                (data)
            }
        }
    }
}

/// The file of each run as JSON, if there are several.
fn files(report: &Report) -> Option<String> {
    let files: Vec<&str> = report.runs.iter().map(|run| &run.header.read_from[..]).collect();
    Files::of(report).are_several().then(|| serde_json::Value::from(files).to_string())
}

/// The sections, the answer first.
fn body(report: &Report, answer: &Answer) -> Markup {
    let insights = insights::insights(report);
    let (names, facts) = (run_names(report), Facts::of(report, &answer.facts));
    let (is_one, ranking) = (report.runs.len() == 1, super::ranking(report));
    html! {
        @if let Some(ranking) = &ranking { (best::best(ranking)) }
        (answer::pivot(answer))
        (levels::levels(answer))
        (profile::profile(report))
        @for picture in pictures(report) { (drawn(report, picture)) }
        (spread::spread(&answer.configurations))
        (compare::side_by_side(report, ranking.is_some()))
        (answer::said(&answer.said))
        (work::changed(report, &names))
        (answer::expected(&answer.expected))
        (answer::next(&answer.next))
        @if !report.runs.is_empty() {
            section {
                h2 { "All figures" }
                @for (n, run) in report.runs.iter().enumerate() {
                    @let figures = html! {
                        (tables::cells(run))
                        (tables::steps(run))
                        (tables::repetitions(run))
                        (profile::operations(run))
                        (work::graphs(run))
                    };
                    @if is_one {
                        (figures)
                    } @else {
                        details class="run" {
                            summary { (names[n]) }
                            (facts.own_fields(n))
                            (said_of(&insights, n))
                            (figures)
                        }
                    }
                }
            }
            section {
                h2 { "Configuration" }
                (facts.configuration())
            }
        }
    }
}

/// A picture over depths is left out if there is a single depth and others show it: the bars of several configurations, or
/// the lines by number of sequences.
fn pictures(report: &Report) -> Vec<Picture> {
    let has_others = matches!(Picture::of(report), Picture::Bars | Picture::Parallel);
    let is_left_out =
        |picture: Picture| picture == Picture::Depth && has_others && svg::is_of_one_depth(report);
    let all = [
        Picture::Parallel,
        Picture::Tradeoff,
        Picture::Bars,
        Picture::Depth,
        Picture::Profile,
        Picture::Flame,
        Picture::Latency,
    ];
    all.into_iter().filter(|picture| !is_left_out(*picture)).collect()
}

/// What each run is called.
fn run_names(report: &Report) -> Vec<String> {
    let sides = sides(report);
    let name = |run: &crate::record::Run| {
        let at =
            |side: &&super::sides::Side<'_>| side.runs.iter().position(|other| std::ptr::eq(*other, run));
        let Some(side) = sides.iter().find(|side| at(side).is_some()) else { return String::new() };
        let (n, of) = (at(&side).map_or(0, |i| i + 1), side.runs.len());
        match (side.name.is_empty(), of) {
            (true, _) => format!("run {n} of {of}"),
            (false, 1) => side.name.clone(),
            (false, _) => format!("{}, run {n} of {of}", side.name),
        }
    };
    report.runs.iter().map(name).collect()
}

/// Every sentence about a run, without expectations and advice: those have sections of their own.
fn said_of(insights: &[Insight], n_run: usize) -> Markup {
    let is_sentence = |it: &&Insight| {
        it.run == n_run && !matches!(it.statement, Statement::Expected(_) | Statement::Next(_))
    };
    html! {
        ul class="statements" {
            @for insight in insights.iter().filter(is_sentence) {
                (answer::statement(insight.level(), html! { (insight) }))
            }
        }
    }
}

fn drawn(report: &Report, picture: Picture) -> Markup {
    html! {
        @match svg::draw(report, picture) {
            Ok(drawing) => (PreEscaped(drawing.to_html())),
            // Nothing to draw is not a failure: the tables say why.
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
