//! The remarks on standard error at the end, for every format of the results.

use llama_bench_rs::{
    bench::Note,
    cli::OutputFormat,
    record::{Cell, FailureKind, FlashAttnSetting, Report},
    report::{
        Format,
        answer::Answer,
        insights::{Level, Statement, insights, unbelievable},
        run_labels,
    },
    units::{text::quoted, words},
};

use crate::{args::Args, progress::Progress};

/// Notes on values without effect that were printed, each once.
#[derive(Default)]
pub struct Notes(Vec<Note>);

impl Notes {
    pub fn tell(&mut self, note: &Note, progress: &Progress) {
        if !self.0.contains(note) {
            progress.suspend(|| complain!("sweep: {note}"));
            self.0.push(note.clone());
        }
    }
}

/// Prints why cells failed (unless the table says so or it was `said` before), which cells were cut short, how many disturbed
/// repetitions count, and which figures cannot be trusted.
pub fn tell(report: &Report, args: &Args, said: &[String]) {
    let labels: Vec<String> = run_labels(report)
        .into_iter()
        .map(|label| if label.is_empty() { label } else { format!("{label}: ") })
        .collect();
    let in_table = matches!(args.out.format, OutputFormat::Rows(Format::Markdown) | OutputFormat::Terminal);
    for insight in insights(report).iter().filter(|_| !in_table) {
        if let Statement::Failed(failed) = &insight.statement
            && failed.cells.iter().any(|(_, failure)| !said.contains(&failure.message))
        {
            complain!("sweep: {}{insight}", labels[insight.run]);
        }
    }
    for insight in insights(report).iter().filter(|_| !matches!(args.out.format, OutputFormat::Terminal)) {
        if let (Statement::Neighbours(_) | Statement::Light(_) | Statement::Profiled(_), Level::Warning) =
            (&insight.statement, insight.level())
        {
            complain!("sweep: {}{insight}", labels[insight.run]);
        }
    }
    // The table of means has no trust; the other formats for people begin with it.
    let is_table = matches!(args.out.format, OutputFormat::Rows(Format::Markdown));
    let is_begun = report.cells().any(|(_, cell)| !cell.was_not_begun());
    if is_table && !args.explain && is_begun {
        complain!("sweep: trust: {}", Answer::of(report, &[]).headline.trust_line());
    }
    if is_table && !args.explain {
        tell_what_is_not_shown(args);
    }
    if args.resume && args.run.profiling().is_some() {
        let lacks = |cell: &Cell| cell.measured().is_some_and(|measured| measured.profile.is_none());
        let n = report.cells().filter(|(_, cell)| lacks(cell)).count();
        if n > 0 {
            let cells = words::count(n, "cell");
            complain!(
                "sweep: {cells} without a profile: what had all its repetitions before is not profiled"
            );
        }
    }
    for (run, label) in report.runs.iter().zip(&labels) {
        if args.run.ceilings.are_asked() && run.has_figures() && run.header.ceilings.is_empty() {
            complain!(
                "sweep: {label}no ceilings: its devices cannot be measured (a split by tensor, devices of other machines), or \
                 it was measured before, without them"
            );
        }
        for cell in &run.cells {
            if let Some(cut) = cell.cut_short(&run.header.config) {
                complain!("sweep: {label}{}: {cut}", cell.test);
            }
        }
        let (asked, used) = (run.header.config.flash_attn, run.header.resolved.flash_attn);
        if (asked, used) == (Some(FlashAttnSetting::On), Some(false)) {
            complain!(
                "sweep: {label}flash_attn = on has no effect: llama.cpp could not use it for this model"
            );
        }
        if let Some(doubt) = unbelievable(run) {
            complain!("sweep: {label}{doubt}");
        }
    }
}

/// What was measured and the Markdown table does not have.
fn tell_what_is_not_shown(args: &Args) {
    let elsewhere = args.out.output.is_some() || args.pages.is_any();
    if args.run.ceilings.are_asked() && !args.light && !elsewhere {
        complain!(
            "sweep: shares of the speed of light are in no Markdown table without --light; or take -o term"
        );
    }
    if args.run.profiling().is_some() && args.run.trace.is_none() && !elsewhere {
        complain!(
            "sweep: profiles are in no Markdown table: take -o term, --html FILE or --svg FILE --picture profile"
        );
    }
}

/// How to measure what a process of its own lost with it, if the results are in a file that can be resumed.
pub fn tell_what_was_lost(can_be_resumed: bool, report: &Report) {
    const LOSSES: [FailureKind; 5] = [
        FailureKind::Signal,
        FailureKind::KilledForMemory,
        FailureKind::ExitStatus,
        FailureKind::Isolation,
        FailureKind::RpcServer,
    ];
    let is_lost = |cell: &Cell| cell.reason().is_some_and(|reason| LOSSES.contains(&reason.kind));
    let n_lost = report.cells().filter(|(_, cell)| is_lost(cell)).count();
    if n_lost == 0 {
        return;
    }
    let lost = words::count(n_lost, "cell");
    if can_be_resumed {
        let line = format!("sweep: {lost} lost; to measure what is missing: {}\n", resuming());
        crate::print::err(format_args!("{line}"));
    } else {
        complain!(
            "sweep: {lost} lost. A sweep with --output FILE.jsonl can measure what is missing (--resume)"
        );
    }
}

/// This command line with `--resume`, in one piece, to be copied.
fn resuming() -> String {
    let resume = std::env::args_os().filter(|argument| argument != "--resume" && argument != "--force");
    let line: Vec<String> = resume.map(|argument| quoted(&argument.to_string_lossy())).collect();
    format!("{} --resume", line.join(" "))
}

/// The last line of an interrupted sweep.
pub fn tell_how_to_resume(can_be_resumed: bool, report: &Report) {
    let n_measured = report.cells().filter(|(_, cell)| cell.measured().is_some()).count();
    let done = match (n_measured, report.cells().count()) {
        (_, 0) => String::new(),
        (n, all) => format!(" with {n} of {all} cells measured"),
    };
    if can_be_resumed {
        crate::print::err(format_args!("sweep: interrupted{done}; to resume: {}\n", resuming()));
    } else {
        complain!(
            "sweep: interrupted{done}; what was measured is above. A sweep with --output FILE.jsonl can be \
             resumed (--resume)"
        );
    }
}
