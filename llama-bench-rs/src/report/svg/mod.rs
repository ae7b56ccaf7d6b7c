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
mod bars;
mod chart;
mod compose;
mod density;
mod depth;
mod flame;
mod labels;
mod latency;
mod levels;
mod panel;
mod parallel;
mod profile;
mod series;
mod speed;
mod theme;
mod tradeoff;

use std::{fmt, str::FromStr};

use super::{levels::has_levels, sides::sides};
use crate::record::{Header, Report};
use panel::{FINE, Panel, SIZE, Shape};
use series::{Series, series, shared};
use theme::Ink;

#[doc(hidden)]
pub use super::names::run_labels;
pub(crate) use chart::{Chart, ChartLine, ChartPanel, ChartPoint, draw_chart};
pub(crate) use series::{clean, device};
pub(crate) use speed::figure;
pub(crate) use theme::{classes, properties};

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Picture {
    /// Speed against depth with its 95 % interval: a panel each for prompt processing, embedding and generation.
    Depth,
    /// How the times of single generated tokens are spread at each depth, with median and 99th percentile.
    Latency,
    /// The speed of each of several configurations as a bar, the fastest first: at the shallowest and at the deepest
    /// context.
    Bars,
    /// Speed against the number of sequences, of all of them together and of each: a line for each depth.
    Parallel,
    /// The median and the 99th percentile of the time per token against the total speed, a point for each number of
    /// sequences.
    Tradeoff,
    /// What the time of each test consists of at each depth: blocks of the model on top of each other.
    Profile,
    /// The same of single tests, with their operations: at the shallowest and at the deepest context.
    Flame,
}

impl Picture {
    /// Every picture.
    pub const ALL: [Picture; 7] = [
        Picture::Depth,
        Picture::Latency,
        Picture::Bars,
        Picture::Parallel,
        Picture::Tradeoff,
        Picture::Profile,
        Picture::Flame,
    ];

    /// Its name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Picture::Depth => "depth",
            Picture::Latency => "latency",
            Picture::Bars => "bars",
            Picture::Parallel => "parallel",
            Picture::Tradeoff => "tradeoff",
            Picture::Profile => "profile",
            Picture::Flame => "flame",
        }
    }

    /// The picture that shows a report best: speed by number of sequences if there are several, bars for several
    /// configurations at one depth, else speed by depth.
    pub fn of(report: &Report) -> Self {
        if sides(report).iter().any(|side| has_levels(&side.runs)) {
            Picture::Parallel
        } else if is_of_one_depth(report) && sides(report).len() > 1 {
            Picture::Bars
        } else {
            Picture::Depth
        }
    }

    fn title(self) -> &'static str {
        match self {
            Picture::Depth => "Speed by context depth",
            Picture::Latency => "Time per token by context depth",
            Picture::Bars => "Speed of each configuration",
            Picture::Parallel => "Speed by number of sequences",
            Picture::Tradeoff => "Time per token against throughput",
            Picture::Profile => "Where the time goes by context depth",
            Picture::Flame => "Where the time goes",
        }
    }
}

/// Whether every cell is of one depth.
pub(crate) fn is_of_one_depth(report: &Report) -> bool {
    let mut depths = report.cells().map(|(_, cell)| cell.test.n_depth);
    let first = depths.next();
    depths.all(|depth| Some(depth) == first)
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is none of those of [`Picture::ALL`].
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown picture `{0}`: use depth, latency, bars, parallel, tradeoff, profile or flame")]
#[doc(hidden)]
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
#[doc(hidden)]
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
#[doc(hidden)]
pub struct Drawing {
    title: String,
    subtitle: String,
    /// How to read the panels.
    caption: String,
    legend: Vec<LegendEntry>,
    panels: Vec<Drawn>,
}

/// A panel on paper.
#[derive(Clone, Debug, PartialEq)]
struct Drawn {
    heading: String,
    /// The figures in words.
    description: String,
    /// Width and height in units; one is about a pixel on a screen.
    size: (u32, u32),
    /// So many of the elements' own units are one of these.
    fine: u32,
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

/// Why there is nothing to draw.
const NO_STEPS: &str = "no generated token was timed on its own; llama-bench's files have no such times, this crate's JSON, \
                        JSONL and CSV of a test with generation do";
const NO_PROFILE: &str = "nothing was profiled; measure with --profile";
const NO_LEVELS: &str = "no test has a speed with several sequences; measure with -npl 1,2,4,8";

/// Draws a picture of all runs of a report, one colour for each configuration.
///
/// # Errors
/// No cell has what the picture shows: none has a speed, no generated token was timed on its own, every test was of one
/// sequence, or there is one configuration if several are compared.
pub fn draw(report: &Report, picture: Picture) -> Result<Drawing, DrawError> {
    let all = |(panels, caption): (Vec<Panel>, String)| -> Result<(Vec<Drawn>, String), DrawError> {
        Ok((panels.into_iter().map(drawn).collect::<Result<_, _>>()?, caption))
    };
    let series = series(report);
    let (levels, tradeoff) = (parallel::all_lines(report), tradeoff::all_lines(report));
    let ((panels, caption), lines, missing): (_, Vec<&Series<'_>>, _) = match picture {
        Picture::Depth => (all(depth::panels(&series))?, series.iter().collect(), "no cell has a speed"),
        Picture::Latency => (
            all(latency::panels(&series))?,
            series.iter().filter(|line| line.kind.is_generation()).collect(),
            NO_STEPS,
        ),
        // They have their names beside them.
        Picture::Bars => (
            bars::panels(report),
            Vec::new(),
            "bars compare configurations, and this report does not have the speeds of several; use the picture depth",
        ),
        Picture::Parallel => (all(parallel::panels(&levels))?, levels.iter().flatten().collect(), NO_LEVELS),
        Picture::Profile => (all(profile::panels(report))?, Vec::new(), NO_PROFILE),
        Picture::Flame => (flame::panels(report), Vec::new(), NO_PROFILE),
        Picture::Tradeoff => (
            all(tradeoff::panels(&tradeoff))?,
            tradeoff.iter().collect(),
            if tradeoff.is_empty() { NO_LEVELS } else { NO_STEPS },
        ),
    };
    if panels.is_empty() {
        return Err(DrawError::Nothing { missing });
    }
    let caption = match picture {
        Picture::Depth | Picture::Latency if !levels.is_empty() => {
            format!("{caption} Of the fewest sequences; the pictures by number of sequences show the others.")
        }
        _ => caption,
    };
    let mut legend: Vec<LegendEntry> = Vec::new();
    for line in lines.into_iter().filter(|line| !line.name.is_empty()) {
        let entry = LegendEntry { name: line.name.clone(), ink: line.ink, shape: line.shape };
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    if matches!(picture, Picture::Profile | Picture::Flame) {
        legend = profile::legend(report);
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
        caption,
        legend,
        panels,
    })
}

fn drawn(panel: Panel) -> Result<Drawn, DrawError> {
    let elements = panel.draw().map_err(DrawError::Backend)?;
    Ok(Drawn { heading: panel.heading, description: panel.description, size: SIZE, fine: FINE, elements })
}
