//! Comparing results with what is expected of them.

use llama_bench_rs::{
    bench::Plan,
    cli::OutputFormat,
    record::Report,
    report::insights::{Expectation, Expected},
};

use crate::{Failed, args::Args, bad_usage, output::print_beside};

#[derive(Debug, clap::Args)]
pub struct ExpectArgs {
    /// Tokens per second that a test should reach
    ///
    /// Such as pp2048=2000..3000, tg32@4096=50.. or, with 8 sequences, tg32x8@4096=400..; a speed that is surely outside
    /// makes exit status 3.
    #[arg(long, value_name = "TEST=LOW..HIGH", value_delimiter = ',')]
    pub expect: Vec<Expectation>,
}

impl ExpectArgs {
    /// Refuses expectations of tests that are not measured.
    pub fn check(&self, plan: &Plan) -> Result<(), Failed> {
        let is_planned = |expectation: &&Expectation| plan.cells.contains(&expectation.test());
        match self.expect.iter().find(|expectation| !is_planned(expectation)) {
            None => Ok(()),
            Some(expectation) => Err(bad_usage(format!(
                "--expect: {} is not among the tests: ask for it with -p, -n, -d and -npl",
                expectation.test()
            ))),
        }
    }

    /// Says how every configuration compares with every expectation, unless the insights say it; whether one is
    /// missed.
    pub fn judge(&self, report: &Report, args: &Args) -> bool {
        let judged: Vec<_> =
            self.expect.iter().flat_map(|expectation| expectation.check_report(report)).collect();
        let is_among_insights = args.explain || args.out.format == OutputFormat::Terminal;
        if !judged.is_empty() && !is_among_insights {
            let lines: Vec<String> = judged.iter().map(ToString::to_string).collect();
            print_beside(args.out.format, &format!("\n{}", lines.join("\n")));
        }
        judged.iter().any(Expected::is_missed)
    }
}
