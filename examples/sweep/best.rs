//! Which of several configurations is the best: said at the end.

use llama_bench_rs::{
    cli::OutputFormat,
    record::Report,
    report::{Format, ranking},
};

use crate::args::Args;

/// On standard error if scripts read standard output, unless it is to be quiet there. The Markdown table and a terminal's
/// report end with it themselves.
pub fn tell(report: &Report, args: &Args) {
    let has_it = |format| matches!(format, OutputFormat::Terminal | OutputFormat::Rows(Format::Markdown));
    let says_it = !has_it(args.out.format) && !has_it(args.out.format_err) && !args.quiet;
    if !says_it {
        return;
    }
    if let Some(ranking) = ranking(report) {
        complain!("{}", ranking.to_string().trim_end());
    }
}
