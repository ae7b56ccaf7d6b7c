//! What surrounds the results: files that are checked before, pages and remarks after.

use std::path::Path;

use llama_bench_rs::{
    serve::{self, ServeReport},
    units::text::quoted,
};

use crate::{
    Failed, SOME_FAILED,
    args::Args,
    bad_usage,
    form::Form,
    requests::Configuration,
    targets::{self, Beside, put},
};

/// Refuses pages and pictures that could not be written, or would replace something.
pub fn check(args: &Args) -> Result<(), String> {
    let files = [("--html", args.html.as_deref()), ("--svg", args.svg.as_deref())];
    let files: Vec<(&'static str, &Path)> =
        files.into_iter().filter_map(|(flag, path)| Some((flag, path?))).collect();
    let on_stdout = (args.format != Form::Nothing).then_some("add -o none");
    let beside = Beside { on_stdout, files: args.output.as_slice(), replaces: args.force || args.resume };
    targets::check(&files, &beside)
}

/// Refuses to resume a file of other configurations: its records would be mixed with those of this run.
pub fn same_configurations(earlier: &ServeReport, configurations: &[Configuration]) -> Result<(), Failed> {
    for (i, run) in earlier.runs.iter().enumerate() {
        let name = configurations.get(i).map(|one| one.name.as_str());
        if name != Some(run.name.as_str()) {
            let shown =
                |name: &str| if name.is_empty() { "a single one".to_owned() } else { name.to_owned() };
            return Err(bad_usage(format!(
                "the file to resume has other configurations ({} in place of {}): give the same flags, or name another file",
                shown(&run.name),
                name.map_or("none".into(), shown),
            )));
        }
    }
    Ok(())
}

/// Says on standard error what was not served, and why. An interruption has a line of its own.
pub fn tell_failures(report: &ServeReport) {
    for (run, load) in report.loads() {
        if let Some(failure) = load.failure.as_ref().filter(|failure| failure.kind != "cancelled") {
            let name = if run.name.is_empty() { String::new() } else { format!("{}: ", run.name) };
            complain!("serve_bench: {name}{}: {}", load.arrivals, failure.message);
        }
    }
}

/// Writes the page and the picture; a failure of one does not stop the other. An exit status if one failed.
pub fn write_pages(args: &Args, report: &ServeReport) -> Option<u8> {
    if report.loads().all(|(_, load)| load.repetitions.is_empty()) {
        return None;
    }
    let page = args.html.as_ref().map(|path| {
        serve::html::page(report).map_err(|error| error.to_string()).and_then(|page| put(path, &page))
    });
    let picture = args.svg.as_ref().map(|path| {
        serve::svg::draw(report).map_err(|error| error.to_string()).and_then(|it| put(path, &it.to_svg()))
    });
    let mut status = None;
    for message in [page, picture].into_iter().flatten().filter_map(Result::err) {
        complain!("serve_bench: {message}");
        status = Some(SOME_FAILED);
    }
    status
}

/// The last line of an interrupted run.
pub fn tell_how_to_resume(can_be_resumed: bool) {
    if can_be_resumed {
        let words = std::env::args_os().filter(|word| word != "--resume" && word != "--force");
        let line: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
        // In one piece, to be copied.
        crate::print::err(format_args!("serve_bench: interrupted; to resume: {} --resume\n", line.join(" ")));
    } else {
        complain!(
            "serve_bench: interrupted; what was served is above. With --output FILE.jsonl it can be resumed (--resume)"
        );
    }
}
