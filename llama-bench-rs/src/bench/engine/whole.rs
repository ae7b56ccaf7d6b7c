//! What a whole snapshot costs, from what small ones took: arithmetic, without a target or a clock.

use std::time::Duration;

/// Coming back to depths by whole snapshots may take this share of the timed repetitions; if it takes more, repetitions go
/// per depth.
const SHARE: f64 = 0.1;

/// And this long in any case: less is not worth a decision, and a tenth of a tiny test is noise.
const NEGLIGIBLE: Duration = Duration::from_millis(100);

/// What returning may take for so much time of repetitions.
pub(super) fn allowed(timed: Duration) -> Duration {
    timed.mul_f64(SHARE).max(NEGLIGIBLE)
}

/// A snapshot that is tried has at most this part of the tokens of the one that it stands for.
const PART: u32 = 4;

/// A snapshot that takes this many times as much as it may is not looked at more closely: what repetitions will take is a
/// guess at first.
const FAR: u32 = 4;

/// What returning may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// By what is known of the repetitions.
    pub(super) least: Duration,
    /// Whether something is known of each of them.
    pub(super) is_known: bool,
}

/// What whole snapshots of a context take, saved and restored, by the number of tokens in them.
#[derive(Debug)]
pub(super) struct WholeCost {
    /// Tokens of the snapshot that rounds need.
    deepest: u32,
    save: Line,
    restore: Line,
    n_tried: u32,
    /// It cannot be saved or restored.
    is_impossible: bool,
}

impl WholeCost {
    /// Of a snapshot of so many tokens; nothing is known yet.
    pub(super) fn new(deepest: u32) -> Self {
        Self { deepest, save: Line::default(), restore: Line::default(), n_tried: 0, is_impossible: false }
    }

    /// Whether it is worth trying a snapshot of so many tokens: it is much cheaper than the real one, and what is known
    /// leaves open whether `n_restores` of the real one keep within `budget`, or far more if the `budget` is not
    /// [known](Budget) yet.
    pub(super) fn wants(&self, n_tokens: u32, n_restores: u32, budget: Budget) -> bool {
        let is_small = n_tokens > self.n_tried && n_tokens <= self.deepest / PART;
        let sum = |save: Option<Duration>, restore: Option<Duration>| {
            Some(save?.saturating_add(restore.or(save)?.saturating_mul(n_restores)))
        };
        let is_cheap = sum(self.save(), self.restore()).is_some_and(|most| most <= budget.least);
        let least = sum(self.save.last(), self.restore.last());
        let is_costly =
            budget.is_known && least.is_some_and(|least| least > budget.least.saturating_mul(FAR));
        is_small && self.save.is_rough() && !is_cheap && !is_costly && !self.is_impossible
    }

    /// Saving or restoring one failed.
    pub(super) fn cannot_be_had(&mut self) {
        self.is_impossible = true;
    }

    /// Whether it can be saved and restored, as far as is known.
    pub(super) fn can_be_had(&self) -> bool {
        !self.is_impossible
    }

    /// Saving so many tokens took this long.
    pub(super) fn saved(&mut self, n_tokens: u32, elapsed: Duration) {
        self.n_tried = self.n_tried.max(n_tokens);
        self.save.add(n_tokens, elapsed);
    }

    /// Restoring so many tokens took this long.
    pub(super) fn restored(&mut self, n_tokens: u32, elapsed: Duration) {
        self.restore.add(n_tokens, elapsed);
    }

    /// What saving the real one takes; `None` if nothing was tried.
    pub(super) fn save(&self) -> Option<Duration> {
        self.save.at(self.deepest)
    }

    /// What restoring the real one takes. If the latest one tried was not restored: in proportion to the one before, or as
    /// long as saving it.
    pub(super) fn restore(&self) -> Option<Duration> {
        let Some((n_tokens, elapsed)) = self.restore.latest else { return self.save() };
        if self.save.latest.is_none_or(|(n_saved, _)| n_saved <= n_tokens) {
            return self.restore.at(self.deepest);
        }
        let saved = self.save.before.filter(|&(n_saved, _)| n_saved == n_tokens).map(|(_, saved)| saved);
        let times = saved.map_or(1.0, |saved| elapsed.as_secs_f64() / saved.as_secs_f64().max(1e-9));
        Some(self.save()?.mul_f64(times.clamp(0.1, 10.0)))
    }
}

/// A time that has a part that is always the same and one that grows with the tokens, from the two latest readings.
#[derive(Debug, Default)]
struct Line {
    before: Option<(u32, Duration)>,
    latest: Option<(u32, Duration)>,
}

impl Line {
    fn add(&mut self, n_tokens: u32, elapsed: Duration) {
        let is_larger = self.latest.is_some_and(|(n, _)| n < n_tokens);
        self.before = if is_larger { self.latest } else { None };
        self.latest = Some((n_tokens, elapsed));
    }

    fn last(&self) -> Option<Duration> {
        self.latest.map(|(_, elapsed)| elapsed)
    }

    /// Whether one reading alone must do.
    fn is_rough(&self) -> bool {
        self.before.is_none()
    }

    /// One reading grows with the tokens: the most that it can be. Two show the part that stays the same.
    fn at(&self, n_tokens: u32) -> Option<Duration> {
        let (n, elapsed) = self.latest?;
        if n_tokens <= n || n == 0 {
            return Some(elapsed);
        }
        let most = elapsed.mul_f64(f64::from(n_tokens) / f64::from(n));
        let Some((n_before, before)) = self.before else { return Some(most) };
        let growth =
            elapsed.saturating_sub(before).mul_f64(f64::from(n_tokens - n) / f64::from(n - n_before));
        Some((elapsed + growth).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn one_reading_grows_with_the_tokens_and_two_tell_what_does_not() {
        let mut cost = WholeCost::new(8192);
        assert_eq!((cost.save(), cost.restore()), (None, None));
        cost.saved(8, MS(1));
        assert_eq!((cost.save(), cost.restore()), (Some(MS(1024)), Some(MS(1024))));
        // Nearly all of it does not depend on the tokens.
        cost.saved(512, MS(1));
        cost.restored(512, MS(2));
        assert_eq!((cost.save(), cost.restore()), (Some(MS(1)), Some(MS(32))));
        // A larger one was saved and not restored: twice as long as saving it, as before.
        cost.saved(1024, MS(3));
        assert_eq!(cost.restore(), cost.save().map(|save| save * 2));
        // All of it does, and noise made the second reading look worse than proportional.
        cost.saved(8, MS(1));
        cost.saved(512, MS(80));
        assert_eq!(cost.save(), Some(MS(1280)));
        // What was found at the real size counts as it is.
        cost.saved(8192, MS(900));
        assert_eq!(cost.save(), Some(MS(900)));
    }

    #[test]
    fn a_snapshot_is_tried_as_long_as_the_answer_is_open() {
        let mut cost = WholeCost::new(8192);
        let known = |ms| Budget { least: MS(ms), is_known: true };
        assert!(cost.wants(8, 4, known(100)) && !cost.wants(2049, 4, known(100)), "too near to the real one");
        cost.saved(8, MS(1));
        assert!(!cost.wants(8, 4, known(100)), "it was tried");
        assert!(cost.wants(512, 4, known(100)), "5 to 5120 ms");
        assert!(!cost.wants(512, 4, known(6000)), "surely cheap");
        assert!(!cost.wants(512, 4, known(1)), "surely dear");
        assert!(cost.wants(512, 4, Budget { least: MS(1), is_known: false }), "there may be more to measure");
        cost.saved(512, MS(2));
        assert!(!cost.wants(1024, 4, known(100)), "two readings are enough");
    }
}
