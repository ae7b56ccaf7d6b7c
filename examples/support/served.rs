//! Files of serving, shown by the program that shows those of sweeps.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use llama_bench_rs::{
    cli::OutputFormat,
    report::{Format, ReportError, terminal::Style},
    serve::{self, ServeReport},
};

use crate::{Args, BAD_USAGE, Failed, SOME_FAILED, failed, targets::put};

/// Shows the runs of all files; the exit status.
pub fn show(args: &Args, reports: Vec<ServeReport>) -> Result<u8, Failed> {
    if !args.expect.is_empty() {
        return Err((
            BAD_USAGE,
            "--expect: expectations are of tests, and these are files of serving".into(),
        ));
    }
    let report = together(&args.files, reports);
    let page = args.pages.html.as_ref().map(|path| {
        serve::html::page(&report).map_err(|error| error.to_string()).and_then(|page| put(path, &page))
    });
    let picture = args.pages.svg.as_ref().map(|path| {
        serve::svg::draw(&report).map_err(|error| error.to_string()).and_then(|it| put(path, &it.to_svg()))
    });
    let mut status = if report.is_complete() { 0 } else { SOME_FAILED };
    for message in [page, picture].into_iter().flatten().filter_map(Result::err) {
        complain!("report: {message}");
        status = SOME_FAILED;
    }
    let text = match args.printed() {
        OutputFormat::Rows(Format::Markdown) if args.explain => {
            format!("{}{}", serve::to_markdown(&report), serve::explain(&report))
        }
        OutputFormat::Rows(Format::Markdown) => serve::to_markdown(&report),
        OutputFormat::Rows(Format::Json) => serve::to_json(&report).map_err(failed)? + "\n",
        OutputFormat::Rows(Format::Csv) => serve::to_csv(&report).map_err(failed)?,
        OutputFormat::Rows(Format::Jsonl) => {
            let mut text = Vec::new();
            serve::write_jsonl(&report, &mut text).map_err(failed)?;
            String::from_utf8_lossy(&text).into_owned()
        }
        OutputFormat::Rows(format) => {
            return Err((
                BAD_USAGE,
                format!("-o {format}: serving is written as md, term, json, jsonl or csv"),
            ));
        }
        OutputFormat::Terminal => serve::terminal::render(&report, Style::of(&io::stdout())),
        OutputFormat::Nothing => String::new(),
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(ReportError::Write(error))),
        _ => Ok(status),
    }
}

/// The runs of all files; of several files, under the names of their files.
fn together(files: &[PathBuf], reports: Vec<ServeReport>) -> ServeReport {
    let mut all = ServeReport::default();
    for (file, report) in files.iter().zip(reports) {
        for mut run in report.runs {
            if files.len() > 1 {
                let name = if run.name.is_empty() { String::new() } else { format!(": {}", run.name) };
                run.name = format!("{}{name}", file.display());
            }
            all.runs.push(run);
        }
    }
    all
}
