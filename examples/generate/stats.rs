//! What answers took, in words.

use std::time::Duration;

use llama_bench_rs::{
    chat::{Answer, Conversation},
    units::TokensPerSecond,
};

/// Sums over the answers of a chat.
#[derive(Debug, Default)]
pub struct Totals {
    n_answers: u32,
    n_kept: u64,
    n_processed: u64,
    processing: Duration,
    n_generated: u64,
    /// Tokens after the first of each answer, and their time.
    n_steps: u64,
    generating: Duration,
    first_tokens: Vec<Duration>,
}

impl Totals {
    pub fn add(&mut self, answer: &Answer) {
        self.n_answers += 1;
        self.n_kept += u64::from(answer.n_kept);
        self.n_processed += u64::from(answer.n_processed);
        self.processing += answer.processing;
        self.n_generated += u64::from(answer.n_generated);
        self.n_steps += u64::from(answer.n_generated.saturating_sub(1));
        self.generating += answer.generating;
        self.first_tokens.extend(answer.first_token);
    }

    /// What `/stats` shows.
    pub fn show(&self, chat: &Conversation) -> String {
        let (n_turns, used, capacity) = (chat.n_turns(), chat.held_tokens().len() as u32, chat.capacity());
        let mut lines = vec![
            chat.context().model().description(),
            format!("{}, {}", count(n_turns as u64, "turn"), context(used, capacity)),
        ];
        if self.n_answers == 0 {
            lines.push("nothing was answered yet".into());
            return lines.join("\n");
        }
        lines.push(format!("added up over {}:", count(self.n_answers.into(), "answer")));
        lines.push(format!(
            "  {} processed{}",
            count(self.n_processed, "prompt token"),
            at(TokensPerSecond::from_elapsed(self.n_processed, self.processing)),
        ));
        if self.n_kept > 0 {
            lines.push(format!("  {} reused from earlier turns", count(self.n_kept, "prompt token")));
        }
        lines.push(format!(
            "  {} generated{}",
            count(self.n_generated, "token"),
            at(TokensPerSecond::from_elapsed(self.n_steps, self.generating)),
        ));
        if let (Some(least), Some(most)) = (self.first_tokens.iter().min(), self.first_tokens.iter().max()) {
            let most = if most > least { format!(" to {}", seconds(*most)) } else { String::new() };
            lines.push(format!("  first token after {}{most}", seconds(*least)));
        }
        lines.join("\n")
    }
}

/// The line after an answer.
pub fn line(answer: &Answer) -> String {
    let mut parts = Vec::new();
    if let Some(first) = answer.first_token {
        parts.push(format!("first token after {}", seconds(first)));
    }
    let mut prompt =
        format!("{}{}", count(answer.n_processed.into(), "prompt token"), at(answer.processing_rate()));
    if answer.n_kept > 0 {
        prompt.push_str(&format!(" ({} reused)", answer.n_kept));
    }
    parts.push(prompt);
    parts.push(format!("{} generated{}", answer.n_generated, at(answer.generation_rate())));
    parts.push(context(answer.n_used, answer.capacity));
    format!("[{}]", parts.join(" | "))
}

fn context(used: u32, capacity: u32) -> String {
    let percent = f64::from(used) / f64::from(capacity.max(1)) * 100.0;
    format!("context {used} of {capacity} tokens ({percent:.0} %)")
}

fn at(rate: Option<TokensPerSecond>) -> String {
    rate.map_or_else(String::new, |rate| format!(" at {} t/s", three_digits(rate.get())))
}

/// A number of things, in the plural unless there is one.
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{} ms", three_digits(seconds * 1e3))
    } else {
        format!("{} s", three_digits(seconds))
    }
}

/// Three significant digits.
fn three_digits(value: f64) -> String {
    let n_before = if value >= 1.0 { value.log10().floor() as i32 + 1 } else { 1 };
    format!("{value:.*}", (3 - n_before).max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_units() {
        let cases = [(90.06, "90.1"), (3713.75, "3714"), (9.0, "9.00"), (0.5, "0.50"), (0.0, "0.00")];
        for (value, expected) in cases {
            assert_eq!(three_digits(value), expected);
        }
        assert_eq!(seconds(Duration::from_micros(551_470)), "551 ms");
        assert_eq!(seconds(Duration::from_micros(1_551_470)), "1.55 s");
        assert_eq!(context(3, 4096), "context 3 of 4096 tokens (0 %)");
        assert_eq!((count(1, "turn"), count(0, "turn")), ("1 turn".into(), "0 turns".into()));
    }
}
