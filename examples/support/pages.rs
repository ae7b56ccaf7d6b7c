//! The flags for a page and a picture of results: checked before anything is measured, written when all is.

use std::path::{Path, PathBuf};

use llama_bench_rs::{
    record::Report,
    report::{
        html,
        insights::Expectation,
        svg::{self, Picture},
    },
};

pub use crate::targets::Beside;
use crate::targets::{self, is_stdout, put};

#[derive(Debug, Default, clap::Args)]
pub struct PageArgs {
    /// Write a page there; - is standard output
    ///
    /// One file that needs nothing else: the result first, then tables, pictures and every repetition.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Write a picture there; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub svg: Option<PathBuf>,
    /// Which picture: depth, latency, bars, parallel, tradeoff, profile or flame
    ///
    /// depth: speed by context depth; latency: time per generated token; bars: configurations sorted by speed; parallel:
    /// speed by number of sequences; tradeoff: time per token against total speed; profile: what the time consists of, by depth,
    /// and flame: with operations, both of --profile. By default parallel if there are several
    /// sequences, bars for several configurations at one depth, else depth.
    #[arg(long, value_name = "PICTURE", requires = "svg", help_heading = "Output", hide_short_help = true)]
    pub picture: Option<Picture>,
}

impl PageArgs {
    /// The files by their flags.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [("--html", &self.html), ("--svg", &self.svg)];
        files.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    }

    /// Whether a page or a picture is asked for.
    #[allow(dead_code)] // The sweep always writes its results too.
    pub fn is_any(&self) -> bool {
        self.files().next().is_some()
    }

    /// Whether standard output gets one of them.
    #[allow(dead_code)] // The sweep refuses that beside results.
    pub fn is_on_stdout(&self) -> bool {
        self.files().any(|(_, path)| is_stdout(path))
    }

    /// Refuses what could not be written, or would replace something.
    pub fn check(&self, beside: &Beside<'_>) -> Result<(), String> {
        targets::check(&self.files().collect::<Vec<_>>(), beside)
    }

    /// Writes them; a failure of one does not stop the other.
    pub fn write(&self, report: &Report, expectations: &[Expectation]) -> Result<(), String> {
        let page = |path: &PathBuf| {
            let page = html::page_with(report, expectations).map_err(|e| e.to_string())?;
            put(path, &page)
        };
        let picture = |path: &PathBuf| {
            let picture = self.picture.unwrap_or_else(|| Picture::of(report));
            put(path, &svg::draw(report, picture).map_err(|e| e.to_string())?.to_svg())
        };
        let written = [self.html.as_ref().map(page), self.svg.as_ref().map(picture)];
        let failed: Vec<String> = written.into_iter().flatten().filter_map(Result::err).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}
