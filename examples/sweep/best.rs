//! Which of several configurations is the best: said at the end.

use llama_bench_rs::{
    cli::OutputFormat,
    record::Report,
    report::{Format, ranking},
};

use crate::{args::Args, output::print_beside};

/// After the Markdown table; on standard error if scripts read standard output, unless it is to be quiet there. A
/// terminal's report says it itself.
pub fn tell(report: &Report, args: &Args) {
    let says_it = match args.out.format {
        OutputFormat::Terminal => false,
        OutputFormat::Rows(Format::Markdown) => true,
        OutputFormat::Rows(_) | OutputFormat::Nothing => !args.quiet,
    };
    // One of several processes has a part of the runs only.
    if args.one_of_several || !says_it {
        return;
    }
    if let Some(ranking) = ranking(report) {
        print_beside(args.out.format, format!("\n{ranking}").trim_end());
    }
}
