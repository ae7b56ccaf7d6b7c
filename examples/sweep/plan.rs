//! `--plan`: what would be run and what it takes, of each configuration and in all.

use llama_bench_rs::{
    bench::{Configuration, DeviceNeeds, Needs, Sweep},
    record::Failure,
    units::words,
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
}

impl Totals {
    /// Prints what would be run of a configuration and what it takes; what cannot be run is not counted.
    pub fn tell(&mut self, configuration: &Configuration, sweep: &Sweep<'_>) -> Result<(), Failed> {
        if self.n_configurations > 0 {
            say!("");
        }
        self.n_configurations += 1;
        let (heading, plan) = (heading(configuration, sweep)?, sweep.possible().map_err(bad_usage)?);
        if let Some(failure) = sweep.failure() {
            self.n_failed += 1;
            say!("{heading} cannot be measured: {}", failure.message);
            return Ok(());
        }
        let n_runs = u64::from(configuration.n_runs);
        let runs =
            if n_runs == 1 { String::new() } else { format!(", in {n_runs} runs; the counts are of one") };
        say!("{} of {heading}{runs}", words::count(plan.cells.len(), "cell"));
        for (test, failure) in sweep.unsupported().map_err(bad_usage)? {
            say!("not possible: {test}: {}", failure.message);
        }
        say!("tokens to fill: {}", plan.n_fill_tokens());
        say!("tokens to time: {}", at_most(&plan.request.stopping, plan.n_timed_tokens()));
        self.n_cells += plan.cells.len() * configuration.n_runs as usize;
        self.n_fill_tokens += plan.n_fill_tokens() * n_runs;
        self.n_timed_tokens += plan.n_timed_tokens() * n_runs;
        if plan.cells.is_empty() {
            return Ok(());
        }
        match sweep.needs().map_err(bad_usage)? {
            Some(needs) => {
                if let Err(failure) = memory(&needs) {
                    self.n_failed += 1;
                    say!("does not fit: {}", failure.message);
                }
            }
            None => say!("memory: llama.cpp does not tell"),
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

fn memory(needs: &Needs) -> Result<(), Failure> {
    say!("context: {} tokens", needs.n_ctx);
    for (device, DeviceNeeds { context_bytes, partial_bytes, compute_bytes, free_bytes, .. }) in
        &needs.devices
    {
        let copied = match partial_bytes {
            0 => String::new(),
            &bytes => format!(" (a snapshot copies {} of it)", words::bytes(bytes)),
        };
        say!(
            "{device}: {} for the tokens{copied}, {} to compute, {} free",
            words::bytes(*context_bytes),
            words::bytes(*compute_bytes),
            free_bytes.map_or_else(|| "an unknown amount".into(), words::bytes),
        );
    }
    needs.check()
}
