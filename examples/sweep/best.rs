//! Which of several configurations is the best: said at the end.

use llama_bench_rs::{cli::OutputFormat, record::Report, report::ranking};

use crate::{args::Args, output::print_beside};

/// After the Markdown table; on standard error if scripts read standard output, unless nothing is printed at all. A
/// terminal's report says it itself.
pub fn tell(report: &Report, args: &Args) {
    // One of several processes has a part of the runs only.
    if args.one_of_several
        || args.out.format == OutputFormat::Terminal
        || args.out.format == OutputFormat::Nothing && args.quiet
    {
        return;
    }
    if let Some(ranking) = ranking(report) {
        print_beside(args.out.format, format!("\n{ranking}").trim_end());
    }
}
