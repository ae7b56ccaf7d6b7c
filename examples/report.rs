//! Turns result files into a page, pictures or another format:
//! `cargo run --example report -- results.json --html report.html`.

#[path = "support/pages.rs"]
mod pages;
#[macro_use]
#[path = "support/print.rs"]
mod print;
#[path = "support/served.rs"]
mod served;
#[path = "support/serving.rs"]
mod serving_files;
#[path = "support/targets.rs"]
mod targets;

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{ArgGroup, Parser};
use llama_bench_rs::{
    cli::{self, OutputFormat},
    judge::network::{self, Way},
    record::{Report, Run},
    report::{
        self, Format, ReportError, Shown, Stat,
        answer::Answer,
        insights::{self, Expectation, Expected},
        terminal::{self, Style},
    },
    units::{TokensPerSecond, words},
};

use pages::{Beside, PageArgs};

const SOME_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const MISSED: u8 = 3;

/// Reads results of this project, of llama-bench or of llama-batched-bench and shows them: as a page, as a picture, or in
/// another format.
///
/// Several files are put side by side: one row and one colour for each configuration, and for each file that has it. With
/// neither --html nor --svg nor -o: the table on standard output. Exit status: 0 all cells measured, 1 some failed or
/// something could not be read or written, 2 bad usage, 3 slower or faster than expected.
#[derive(Debug, Parser)]
#[command(name = "report", disable_version_flag = true)]
#[command(group(ArgGroup::new("written").multiple(true).args(["html", "svg"])))]
struct Args {
    /// Result files: JSON, JSONL or CSV, what llama-batched-bench prints, or a page; - for standard input
    #[arg(required_unless_present = "json_schema", value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pages: PageArgs,
    /// Replace the files of --html and --svg
    #[arg(long, requires = "written")]
    force: bool,
    /// Format on standard output: json, jsonl, csv, sql, md, batched-bench, none, or term for a report that fits the
    /// terminal
    #[arg(short = 'o', long = "output-format", value_name = "FORMAT")]
    format: Option<OutputFormat>,
    /// What Markdown shows as the speed of a test: mean (llama-bench's), median, or what this share of the repetitions
    /// reach, such as p90
    #[arg(long, value_name = "STAT", default_value = "mean")]
    stat: Stat,
    /// Show joules per token in the Markdown table
    #[arg(long)]
    joules: bool,
    /// Show the share of the speed of light in the Markdown table
    #[arg(long)]
    light: bool,
    /// Tell what was measured on, and what the figures mean
    #[arg(long)]
    explain: bool,
    /// Hold every configuration against what is expected of a test, such as tg32@4096=50.. or, with 8 sequences,
    /// tg32x8@4096=400..; a speed that is surely outside makes exit status 3
    #[arg(long, value_name = "TEST[xN][@DEPTH]=LOW..HIGH", value_delimiter = ',')]
    expect: Vec<Expectation>,
    /// Plan generations over these links, one for each server, such as 0.4ms or 0.4ms@1Gbit/s
    ///
    /// By arithmetic from the recorded graph and links: the time of a token, less what it waited for the measured links, and
    /// what it would wait for these.
    #[arg(long, value_name = "ROUND-TRIP[@RATE]", value_delimiter = ',')]
    links: Vec<Way>,
    /// Print the JSON Schema of this project's JSON and stop
    #[arg(long)]
    json_schema: bool,
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    match run(&args) {
        Ok(status) => print::exit_code(status),
        Err((status, message)) => {
            complain!("report: {message}");
            ExitCode::from(status)
        }
    }
}

/// An exit status and the message that goes with it.
type Failed = (u8, String);

fn failed(message: impl ToString) -> Failed {
    (SOME_FAILED, message.to_string())
}

/// The exit status.
fn run(args: &Args) -> Result<u8, Failed> {
    if args.json_schema {
        say!("{:#}", report::json_schema());
        return Ok(0);
    }
    args.pages.check(&args.beside()).map_err(|message| (BAD_USAGE, message))?;
    if let Some(reports) = serving_files::read(&args.files).map_err(|message| (BAD_USAGE, message))? {
        return served::show(args, reports);
    }
    let mut report = Report::default();
    // A file that cannot be read does not hide the others.
    let mut failed_status = None;
    for file in &args.files {
        match read(file) {
            Ok(found) => report.runs.extend(from(file, found, args.files.len() > 1)),
            Err(failed) if args.files.len() == 1 => return Err(failed),
            Err((status, message)) => {
                complain!("report: {message}");
                failed_status = failed_status.max(Some(status));
            }
        }
    }
    if let (true, Some(status)) = (report.runs.is_empty(), failed_status) {
        return Err((status, "none of the files could be read".into()));
    }
    // What cannot be drawn does not hide the table.
    if let Err(message) = args.pages.write(&report, &args.expect) {
        complain!("report: {message}");
        failed_status = failed_status.max(Some(SOME_FAILED));
    }
    let printed = args.printed();
    match printed {
        OutputFormat::Rows(format) => {
            match report::write_with(
                &report,
                format,
                Shown::from(args.stat).joules(args.joules).light(args.light),
                io::stdout().lock(),
            ) {
                // Whoever reads has seen enough.
                Err(ReportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written.map_err(failed)?,
            }
        }
        OutputFormat::Terminal => {
            let text = terminal::render_with(&report, &args.expect, Style::of(&io::stdout()));
            print::out(format_args!("{text}"));
        }
        OutputFormat::Nothing => {}
    }
    // A terminal's report says both.
    if printed != OutputFormat::Terminal && (args.explain || !args.expect.is_empty()) {
        explain(args, &report).or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Ok(()),
            _ => Err(failed(error)),
        })?;
    }
    if !args.links.is_empty() {
        failed_status = failed_status.max(plan_over_links(args, &report));
    }
    if printed == OutputFormat::Rows(Format::Markdown) && !args.explain {
        complain!("report: trust: {}", Answer::of(&report, &[]).headline.trust_line());
    }
    for (i, run) in report.runs.iter().enumerate() {
        if let Some(doubt) = insights::unbelievable(run) {
            let which = if report.runs.len() > 1 { format!("run {}: ", i + 1) } else { String::new() };
            complain!("report: {which}{doubt}");
        }
    }
    let is_missed = |expected: &Expectation| expected.check_report(&report).iter().any(Expected::is_missed);
    Ok(match (failed_status, report.is_complete()) {
        _ if args.expect.iter().any(is_missed) => MISSED,
        (Some(status), _) => status,
        (None, true) => 0,
        (None, false) => SOME_FAILED,
    })
}

impl Args {
    fn beside(&self) -> Beside<'_> {
        let on_stdout = match self.format {
            None | Some(OutputFormat::Nothing) => None,
            Some(_) => Some("leave out -o"),
        };
        Beside { on_stdout, files: &[], replaces: self.force }
    }

    /// What standard output gets: the table unless something else is asked for.
    fn printed(&self) -> OutputFormat {
        let table = OutputFormat::Rows(Format::Markdown);
        self.format.unwrap_or(if self.pages.is_any() { OutputFormat::Nothing } else { table })
    }
}

/// The runs of a file under its name. A page of several files has their names, before which its own goes only if it is
/// read `beside_others`.
fn from(file: &Path, report: Report, beside_others: bool) -> impl Iterator<Item = Run> {
    let name = if file == Path::new("-") { "standard input".into() } else { file.display().to_string() };
    report.runs.into_iter().map(move |mut run| {
        let read_from = &mut run.header.read_from;
        *read_from = match (read_from.is_empty(), beside_others) {
            (true, _) => name.clone(),
            (false, true) => format!("{name}: {read_from}"),
            (false, false) => std::mem::take(read_from),
        };
        run
    })
}

/// Prints it after the Markdown table, or on standard error if a script reads standard output.
fn explain(args: &Args, report: &Report) -> io::Result<()> {
    let text = if args.explain {
        report::explain_markdown_with(report, &args.expect, args.stat)
    } else {
        let judged = args.expect.iter().flat_map(|expectation| expectation.check_report(report));
        judged.map(|expected| format!("{expected}\n")).collect()
    };
    let is_for_people = matches!(args.format, None | Some(OutputFormat::Rows(Format::Markdown)));
    if is_for_people && !args.pages.is_on_stdout() {
        write!(io::stdout().lock(), "\n{text}")
    } else {
        write!(io::stderr().lock(), "{text}")
    }
}

/// Prints what the generations would take over the given links; a status if a run has nothing to plan with.
fn plan_over_links(args: &Args, report: &Report) -> Option<u8> {
    let mut status = None;
    for (i, run) in report.runs.iter().enumerate() {
        let which = if report.runs.len() > 1 { format!("run {}: ", i + 1) } else { String::new() };
        match network::plan(run, &args.links) {
            Ok(planned) => {
                let n = words::count(args.links.len(), "server");
                print::out_wrapped(&format!("\n{which}generations over {n}, by arithmetic:"));
                for it in planned {
                    let [measured, waiting, planned] =
                        [it.measured, it.waiting, it.planned].map(words::duration);
                    // A decode computes a token of every sequence.
                    let n_tokens = u64::from(it.test.n_parallel.max(1));
                    let rate = TokensPerSecond::from_elapsed(n_tokens, it.planned)
                        .map_or_else(String::new, |rate| format!(", {} t/s", words::speed(rate)));
                    print::out_wrapped(&format!(
                        "- {}: {planned} a token{rate}; measured {measured}, of which {waiting} waiting for the \
                         network",
                        it.test
                    ));
                }
                let assumed = network::assumptions(run, &args.links);
                assumed.iter().for_each(|it| print::out_wrapped(it));
            }
            Err(why) => {
                complain!("report: {which}nothing can be planned: {why}");
                status = Some(SOME_FAILED);
            }
        }
    }
    status
}

fn read(file: &Path) -> Result<Report, Failed> {
    let named = |error: ReportError| match error {
        // It names the file itself.
        ReportError::Read { .. } => (BAD_USAGE, error.to_string()),
        error => failed(format!("{}: {error}", file.display())),
    };
    let loaded = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(|e| failed(format!("standard input: {e}")))?;
        report::read_bytes(bytes)
    } else {
        report::read_file(file)
    };
    let loaded = loaded.map_err(named)?;
    for skipped in &loaded.skipped {
        complain!("report: {}: left out: {skipped}", file.display());
    }
    Ok(loaded.report)
}
