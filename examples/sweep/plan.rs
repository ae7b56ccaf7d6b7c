//! `--plan`: what would be run and what it takes, of each configuration and in all.

use llama_bench_rs::bench::{Configuration, Sweep};

use crate::{Failed, bad_usage, verify::heading};

/// What was told so far.
#[derive(Default)]
pub struct Totals {
    n_configurations: usize,
    n_cells: usize,
    n_fill_tokens: u64,
    n_timed_tokens: u64,
    n_failed: usize,
}

impl Totals {
    /// Prints what would be run of a configuration and what it takes; what cannot be run is not counted.
    pub fn tell(&mut self, configuration: &Configuration, sweep: &Sweep<'_>) -> Result<(), Failed> {
        if self.n_configurations > 0 {
            say!("");
        }
        self.n_configurations += 1;
        let heading = heading(configuration, sweep)?;
        if let Some(failure) = sweep.failure() {
            self.n_failed += 1;
            say!("{heading} cannot be measured: {}", failure.message);
            return Ok(());
        }
        let n_runs = u64::from(configuration.n_runs);
        let runs =
            if n_runs == 1 { String::new() } else { format!(", in {n_runs} runs; the counts are of one") };
        let preview = sweep.preview().map_err(bad_usage)?;
        say!("{} of {heading}{runs}", cells(preview.n_cells));
        say!("{preview}");
        self.n_cells += preview.n_cells * configuration.n_runs as usize;
        self.n_fill_tokens += preview.n_fill_tokens * n_runs;
        self.n_timed_tokens += preview.n_timed_tokens * n_runs;
        self.n_failed += usize::from(preview.check().is_err());
        Ok(())
    }

    /// Prints the sums, if there is something to sum up; whether everything can be measured.
    pub fn finish(&self, configurations: &[Configuration]) -> bool {
        let stopping = configurations.first().and_then(|one| one.plan.request.stopping);
        if self.n_configurations > 1 {
            let runs = match configurations[0].n_runs {
                1 => String::new(),
                n => format!(", {n} runs of each"),
            };
            say!(
                "\nAll {} configurations{runs}: {}",
                self.n_configurations,
                words::count(self.n_cells, "cell")
            );
            say!("tokens to fill: {}", self.n_fill_tokens);
            say!("tokens to time: {}", at_most(&stopping, self.n_timed_tokens));
        }
        self.n_failed == 0
    }
}

/// A stopping rule may need fewer.
fn at_most<T>(stopping: &Option<T>, n_tokens: u64) -> String {
    if stopping.is_some() { format!("{n_tokens} at most") } else { n_tokens.to_string() }
}
