//! `--plan`: what would be run and what it takes, of each configuration and in all.

use std::time::Duration;

use llama_bench_rs::{
    bench::{Configuration, Sweep, clock_words},
    units::words::count,
};

use crate::{Failed, bad_usage, verify::heading};

/// What was told so far.
#[derive(Default)]
pub struct Totals {
    n_configurations: usize,
    n_cells: usize,
    n_fill_tokens: u64,
    n_timed_tokens: u64,
    n_failed: usize,
    /// What everything takes that a trial tells of: expected, and the range of it.
    time: [Duration; 3],
    /// Configurations of which no trial tells.
    n_untold: usize,
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
        say!("{} of {heading}{runs}", count(preview.n_cells, "cell"));
        crate::print::out_wrapped(&preview.to_string());
        self.n_cells += preview.n_cells * configuration.n_runs as usize;
        self.n_fill_tokens += preview.n_fill_tokens * n_runs;
        self.n_timed_tokens += preview.n_timed_tokens * n_runs;
        self.n_failed += usize::from(preview.check().is_err());
        if preview.n_cells == 0 {
            return Ok(());
        }
        self.tell_time(sweep, configuration.n_runs)
    }

    /// Prints what one run takes, from a trial.
    fn tell_time(&mut self, sweep: &Sweep<'_>, n_runs: u32) -> Result<(), Failed> {
        let Some(time) = sweep.try_out()? else {
            self.n_untold += 1;
            say!("time: not known, since a short trial failed");
            return Ok(());
        };
        say!("time: {time}, from a short trial");
        for (sum, one) in self.time.iter_mut().zip([time.expected, time.range.0, time.range.1]) {
            *sum += one * n_runs;
        }
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
            say!("\nAll {} configurations{runs}: {}", self.n_configurations, count(self.n_cells, "cell"));
            say!("tokens to fill: {}", self.n_fill_tokens);
            say!("tokens to time: {}", at_most(&stopping, self.n_timed_tokens));
            let [expected, low, high] = self.time.map(clock_words);
            let untold = match self.n_untold {
                0 => String::new(),
                n => format!(", without {} of which it is not known", count(n, "configuration")),
            };
            say!("time: about {expected}, {low} to {high}{untold}");
        }
        self.n_failed == 0
    }
}

/// A stopping rule may need fewer.
fn at_most<T>(stopping: &Option<T>, n_tokens: u64) -> String {
    if stopping.is_some() { format!("{n_tokens} at most") } else { n_tokens.to_string() }
}
