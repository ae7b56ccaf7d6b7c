//! `--verify`: how far the logits of each depth are from those of a fresh fill.

use llama_bench_rs::{
    bench::{BenchError, Cancel, Configuration, Event, Inspected, Verification},
    cli,
    record::ModelInfo,
    units::words::count,
};

use crate::progress::Progress;

/// The name of a configuration and its model, by the file's name if it was not loaded.
pub fn heading(configuration: &Configuration, found: &Inspected) -> String {
    let ModelInfo { description, filename, .. } = &found.model;
    let model = if description.is_empty() { filename } else { description };
    let name = &configuration.name;
    if model.contains(&**name) {
        model.clone()
    } else if name.contains(&**model) {
        name.clone()
    } else {
        format!("{name} ({model})")
    }
}

/// Says which configuration is being verified.
#[derive(Default)]
pub struct Begun(Option<usize>);

impl Begun {
    pub fn tell(&mut self, event: &Event<'_>, configurations: &[Configuration], progress: &Progress) {
        let Event::Configuration { index, n, name, .. } = *event else { return };
        if self.0.replace(index) == Some(index) {
            return;
        }
        let place = if n > 1 { format!(" ({} of {n})", index + 1) } else { String::new() };
        let name = if name.is_empty() { &configurations[index].header.model.filename } else { name };
        progress.say(format!("verifying {name}{place}"));
    }
}

/// What was verified so far.
#[derive(Default)]
pub struct Verified {
    n_shown: usize,
    /// Exact to the bit, and within rounding.
    n_exact: usize,
    n_within_noise: usize,
    /// The headings of those that are not right, or could not be verified.
    wrong: Vec<String>,
}

impl Verified {
    /// Prints how far the logits of each depth are from those of a fresh fill.
    pub fn tell(&mut self, configuration: &Configuration, found: &Inspected, cancel: &Cancel) {
        let mut heading = heading(configuration, found);
        if configuration.name.is_empty() {
            // Of several, the name says what of it differs.
            let (model, context) = &found.params;
            for flag in cli::flags_of(model, context) {
                heading += &format!(" {}", flag.replacen('=', " ", 1));
            }
        }
        let why = match (&found.verification, &found.failure) {
            (Some(Ok(found)), _) => return self.tell_found(&heading, found),
            (Some(Err(failure)), _) if cancel.is_cancelled() && failure.kind == "cancelled" => {
                failure.message.clone()
            }
            (Some(Err(failure)), _) => BenchError::Verify(failure.clone()).to_string(),
            (None, failure) => failure.as_ref().map_or_else(String::new, |failure| failure.message.clone()),
        };
        complain!("sweep: {heading}: {why}");
        self.wrong.push(heading);
    }

    fn tell_found(&mut self, heading: &str, found: &Verification) {
        let gap = if self.n_shown > 0 { "\n" } else { "" };
        self.n_shown += 1;
        // What the columns mean is said once.
        let found_in_words = if self.n_shown == 1 { found.to_string() } else { format!("{found:#}") };
        crate::print::out_wrapped(&format!("{gap}{heading}\n\n{found_in_words}"));
        if found.is_exact() {
            self.n_exact += 1;
        } else if found.is_within_noise() {
            self.n_within_noise += 1;
        } else {
            self.wrong.push(heading.to_owned());
        }
    }

    /// Prints the sum over several configurations; whether all are right.
    pub fn finish(&self) -> bool {
        if let Some(sum) = self.sum() {
            say!("\n{sum}");
        }
        self.wrong.is_empty()
    }

    fn sum(&self) -> Option<String> {
        let n = self.n_exact + self.n_within_noise + self.wrong.len();
        if n < 2 {
            return None;
        }
        let all = count(n, "configuration");
        Some(if !self.wrong.is_empty() {
            format!("{} of {all} not verified: {}", self.wrong.len(), self.wrong.join("; "))
        } else if self.n_within_noise > 0 {
            format!(
                "All {all} verified: {} exact to the bit, {} within rounding",
                self.n_exact, self.n_within_noise
            )
        } else {
            format!("All {all} verified: exact to the bit")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_configurations_end_with_a_sum() {
        let sum = |n_exact, n_within_noise, wrong: &[&str]| {
            let wrong = wrong.iter().map(ToString::to_string).collect();
            Verified { n_exact, n_within_noise, wrong, ..Verified::default() }.sum()
        };
        assert_eq!(sum(1, 0, &[]), None);
        assert_eq!(sum(4, 0, &[]).as_deref(), Some("All 4 configurations verified: exact to the bit"));
        let mixed = "All 4 configurations verified: 3 exact to the bit, 1 within rounding";
        assert_eq!(sum(3, 1, &[]).as_deref(), Some(mixed));
        assert_eq!(sum(1, 0, &["fa 1"]).as_deref(), Some("1 of 2 configurations not verified: fa 1"));
    }
}
