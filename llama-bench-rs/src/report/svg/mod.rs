//! Pictures of a report, as SVG that is legible in light and in dark, small on a phone and sharp on paper.
//!
//! A [`Drawing`] is a file of its own ([`Drawing::to_svg`]) or part of a page ([`Drawing::to_html`], whose colours
//! are custom properties of the page). Either has a title and a description with the figures for those who cannot
//! see it.
//!
//! ```
//! use llama_bench_rs::{record::Report, report::svg::{self, Picture}};
//!
//! # fn demo(report: &Report) -> Result<String, svg::DrawError> {
//! let svg = svg::draw(report, Picture::Depth)?.to_svg();
//! # Ok(svg)
//! # }
//! # demo(&Report::default()).unwrap_err();
//! ```

mod axis;
mod compose;
mod density;
mod depth;
mod latency;
mod panel;
mod series;
mod theme;

use std::{fmt, str::FromStr};

use crate::record::{Header, Report};
use panel::{Panel, Shape};
use series::{Series, series, shared};
use theme::Ink;

pub use super::names::run_labels;
pub(crate) use series::device;
pub(crate) use theme::{classes, properties};

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Picture {
    /// Speed against depth with its 95 % interval: a panel each for prompt processing, embedding and generation.
    Depth,
    /// How the times of single generated tokens are spread at each depth, with median and 99th percentile.
    Latency,
}

impl Picture {
    /// Every picture.
    pub const ALL: [Picture; 2] = [Picture::Depth, Picture::Latency];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Picture::Depth => "depth",
            Picture::Latency => "latency",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Picture::Depth => "Speed by context depth",
            Picture::Latency => "Time per token by context depth",
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is neither `depth` nor `latency`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown picture `{0}`: use depth or latency")]
pub struct UnknownPicture(String);

crate::error::debug_like_display!(UnknownPicture);

impl FromStr for Picture {
    type Err = UnknownPicture;

    fn from_str(name: &str) -> Result<Self, UnknownPicture> {
        Self::ALL
            .into_iter()
            .find(|picture| picture.name() == name)
            .ok_or_else(|| UnknownPicture(name.into()))
    }
}

/// Why there is no picture.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// No cell has what the picture shows.
    #[error("there is nothing to draw: {missing}")]
    Nothing {
        /// What no cell has, and where it would come from.
        missing: &'static str,
    },
    /// The drawing library refused.
    #[error("cannot draw the picture: {0}")]
    Backend(String),
}

crate::error::debug_like_display!(DrawError);

/// A picture, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    title: String,
    subtitle: String,
    legend: Vec<LegendEntry>,
    panels: Vec<Drawn>,
}

/// A panel on paper.
#[derive(Clone, Debug, PartialEq)]
struct Drawn {
    heading: String,
    /// The figures in words.
    description: String,
    /// The elements of its SVG.
    elements: String,
}

/// One line of the legend.
#[derive(Clone, Debug, PartialEq)]
struct LegendEntry {
    name: String,
    ink: Ink,
    shape: Shape,
}

impl Drawing {
    /// What is shown.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The figures in words.
    pub fn description(&self) -> String {
        self.panels.iter().map(|panel| panel.description.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Draws a picture of all runs of a report, one colour for each.
///
/// # Errors
/// No cell has what the picture shows: none has a speed, or no generated token was timed on its own.
pub fn draw(report: &Report, picture: Picture) -> Result<Drawing, DrawError> {
    let series = series(report);
    let (panels, missing) = match picture {
        Picture::Depth => (depth::panels(&series), "no cell has a speed"),
        Picture::Latency => (
            latency::panels(&series),
            "no generated token was timed on its own; llama-bench's files have no such times, this crate's JSON, \
             JSONL and CSV of a test with generation do",
        ),
    };
    if panels.is_empty() {
        return Err(DrawError::Nothing { missing });
    }
    let shown = |line: &Series<'_>| picture == Picture::Depth || line.kind.is_generation();
    let mut legend: Vec<LegendEntry> = Vec::new();
    for line in series.iter().filter(|line| shown(line) && !line.name.is_empty()) {
        let entry = LegendEntry { name: line.name.clone(), ink: line.ink, shape: line.shape };
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    let build = |header: &Header| match crate::report::in_words::told(header.build.number) {
        None => header.build.commit.clone(),
        Some(number) => format!("b{number} ({})", header.build.commit),
    };
    let common = [
        shared(report, |header| header.model.description.clone()),
        shared(report, device),
        match shared(report, build) {
            build if build.is_empty() => build,
            build => format!("llama.cpp {build}"),
        },
    ];
    Ok(Drawing {
        title: picture.title().to_owned(),
        subtitle: common.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · "),
        legend,
        panels: panels.into_iter().map(drawn).collect::<Result<_, _>>()?,
    })
}

fn drawn(panel: Panel) -> Result<Drawn, DrawError> {
    let elements = panel.draw().map_err(DrawError::Backend)?;
    Ok(Drawn { heading: panel.heading, description: panel.description, elements })
}
