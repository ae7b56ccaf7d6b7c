//! The file of `--trace`: the operations of each test at its deepest context.

use std::path::Path;

use llama_bench_rs::{bench::Event, cli::RunsIn, llama::Stop, record::Test, report::ChromeTrace};

use crate::{args::Args, output, targets};

/// What was traced so far.
pub struct Traces<'a> {
    path: Option<&'a Path>,
    /// The configuration that events are of; empty if it is the only one.
    configuration: String,
    kept: Vec<(String, Test, Vec<Stop>)>,
}

impl<'a> Traces<'a> {
    /// Refuses a file that could not be written, and what cannot be traced.
    pub fn of(args: &'a Args) -> Result<Self, String> {
        let path = args.run.trace.as_deref();
        if let Some(path) = path {
            let is_apart = args.run.runs > 1 && args.run.runs_in == RunsIn::Process;
            if args.isolation().is_some() || is_apart {
                return Err("--trace: the operations of other processes are not collected; \
                            leave out --isolate and --runs-in process, or --trace"
                    .into());
            }
            let files: Vec<(&str, &Path)> = args.pages.files().chain([("--trace", path)]).collect();
            targets::check(&files, &output::beside(args))?;
        }
        Ok(Self { path, configuration: String::new(), kept: Vec::new() })
    }

    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Configuration { name, .. } => (*name).clone_into(&mut self.configuration),
            Event::Traced { test, stops } if self.path.is_some() => self.keep(test, stops),
            _ => {}
        }
    }

    /// Of a generation one step: the last.
    fn keep(&mut self, test: &Test, stops: &[Stop]) {
        let last = stops.last().map(|stop| stop.graph);
        let is_kept = |stop: &&Stop| !test.kind.is_generation() || Some(stop.graph) == last;
        let one = (self.configuration.clone(), *test, stops.iter().filter(is_kept).cloned().collect());
        let is_alike = |(configuration, other, _): &(String, Test, Vec<Stop>)| {
            *configuration == self.configuration && other.at_any_depth() == test.at_any_depth()
        };
        match self.kept.iter_mut().find(|one| is_alike(one)) {
            Some((_, known, _)) if known.n_depth > test.n_depth => {}
            Some(known) => *known = one,
            None => self.kept.push(one),
        }
    }

    /// Writes the file, if one is asked for.
    pub fn write(&self) -> Result<(), String> {
        let Some(path) = self.path else { return Ok(()) };
        if self.kept.is_empty() {
            return Err(format!("--trace: no test was traced, so {} was not written", path.display()));
        }
        let mut trace = ChromeTrace::new();
        for (configuration, test, stops) in &self.kept {
            let name =
                if configuration.is_empty() { test.to_string() } else { format!("{test}, {configuration}") };
            trace.add(&name, stops);
        }
        targets::put(path, &trace.to_json())
    }
}
