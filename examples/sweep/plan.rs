//! `--plan`: what would be run and what it takes, of each configuration and in all.

use std::time::Duration;

use llama_bench_rs::{
    bench::{Configuration, Counts, Inspected, clock_words},
    report,
    units::words::{bytes, count},
};

use crate::verify::heading;

/// The sums so far.
#[derive(Default)]
pub struct Totals {
    n_configurations: usize,
    counts: Counts,
    n_failed: usize,
    /// Predicted by the trials: the expected time, and the ends of its range.
    time: [Duration; 3],
    /// Configurations without a prediction.
    n_untold: usize,
}

impl Totals {
    /// Prints what would be run of a configuration and what it takes; what cannot be run is not counted.
    pub fn tell(&mut self, configuration: &Configuration, found: &Inspected) {
        if self.n_configurations > 0 {
            say!("");
        }
        self.n_configurations += 1;
        let heading = heading(configuration, found);
        let preview = match (&found.preview, &found.failure) {
            (Some(preview), _) => preview,
            (None, failure) => {
                self.n_failed += 1;
                let why = failure.as_ref().map_or("nothing was found", |failure| &failure.message);
                say!("{heading} cannot be measured: {why}");
                return;
            }
        };
        let runs = match configuration.n_runs {
            1 => String::new(),
            n => format!(", in {n} runs; the counts are of one"),
        };
        say!("{} of {heading}{runs}", count(preview.counts.n_cells, "cell"));
        crate::print::out_wrapped(&preview.to_string());
        self.counts.add_runs(&preview.counts, configuration.n_runs);
        found.links.iter().for_each(|link| say!("link: {}", report::link_words(link)));
        self.n_failed += usize::from(preview.check().is_err());
        if preview.counts.n_cells > 0 {
            self.tell_time(found, configuration.n_runs);
        }
    }

    /// Prints what one run takes, from a trial.
    fn tell_time(&mut self, found: &Inspected, n_runs: u32) {
        let Some(time) = found.time else {
            self.n_untold += 1;
            match found.weights_too_large {
                Some(weights) => say!(
                    "time: not known, since the weights ({}) do not fit into the memory that is free here",
                    bytes(weights)
                ),
                None => say!("time: not known, since a short trial failed"),
            }
            return;
        };
        say!("time: {time}, from a short trial");
        for (sum, one) in self.time.iter_mut().zip([time.expected, time.range.0, time.range.1]) {
            *sum += one * n_runs;
        }
    }

    /// Prints the sums, if there is something to sum up; whether everything can be measured.
    pub fn finish(&self, configurations: &[Configuration]) -> bool {
        if self.n_configurations > 1 {
            let runs = match configurations[0].n_runs {
                1 => String::new(),
                n => format!(", {n} runs of each"),
            };
            say!(
                "\nAll {} configurations{runs}: {}",
                self.n_configurations,
                count(self.counts.n_cells, "cell")
            );
            say!("{}", self.counts);
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
