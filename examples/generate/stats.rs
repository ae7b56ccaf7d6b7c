//! What answers took, in words.

use std::time::Duration;

use llama_bench_rs::{
    chat::{Answer, Conversation},
    units::{
        Share, TokensPerSecond,
        words::{count, duration, speed},
    },
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
        lines.push(format!("added up over {}:", count(self.n_answers, "answer")));
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
            let most = if most > least { format!(" to {}", duration(*most)) } else { String::new() };
            lines.push(format!("  first token after {}{most}", duration(*least)));
        }
        lines.join("\n")
    }
}

/// The line after an answer.
pub fn line(answer: &Answer) -> String {
    let mut parts = Vec::new();
    if let Some(first) = answer.first_token {
        parts.push(format!("first token after {}", duration(first)));
    }
    let mut prompt = format!("{}{}", count(answer.n_processed, "prompt token"), at(answer.processing_rate()));
    if answer.n_kept > 0 {
        prompt.push_str(&format!(" ({} reused)", answer.n_kept));
    }
    parts.push(prompt);
    parts.push(format!("{} generated{}", answer.n_generated, at(answer.generation_rate())));
    parts.push(context(answer.n_used, answer.capacity));
    format!("[{}]", parts.join(" | "))
}

fn context(used: u32, capacity: u32) -> String {
    let share = Share::new(f64::from(used) / f64::from(capacity.max(1))).unwrap_or_default();
    format!("context {used} of {capacity} tokens ({share:.0})")
}

fn at(rate: Option<TokensPerSecond>) -> String {
    rate.map_or_else(String::new, |rate| format!(" at {} t/s", speed(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_told_with_its_share() {
        assert_eq!(context(3, 4096), "context 3 of 4096 tokens (0 %)");
        assert_eq!(at(TokensPerSecond::new(90.06)), " at 90.1 t/s");
    }
}
