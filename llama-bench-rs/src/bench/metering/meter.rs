//! What a counter of energy can do.

use std::time::Duration;

/// More than any device draws, in watts: an advance beyond it is a counter that was reset.
const MOST_WATTS: u64 = 3000;

/// A counter of energy. It counts from an unknown beginning, is updated now and then, and may wrap or vanish.
pub(super) trait EnergyMeter: Send {
    /// Reads it now, in microjoules; `None` if it can no longer be read.
    fn read_uj(&mut self) -> Option<u64>;

    /// The highest value, after which it begins at 0; `None` if it never does.
    fn wraps_at_uj(&self) -> Option<u64>;
}

/// By how much a counter advanced between two readings that lie this far apart; `None` if that is not known: it was reset,
/// or may have wrapped more than once.
pub(super) fn advance(before: u64, after: u64, wraps_at: Option<u64>, elapsed: Duration) -> Option<u64> {
    // A second more: one update may hold what was drawn before.
    let most = (elapsed.as_secs_f64() + 1.0) * (MOST_WATTS * 1_000_000) as f64;
    if wraps_at.is_some_and(|wraps_at| most >= wraps_at as f64) {
        return None;
    }
    let advance = match after.checked_sub(before) {
        Some(advance) => advance,
        None => wraps_at?.checked_sub(before)?.checked_add(after)?.checked_add(1)?,
    };
    (advance as f64 <= most).then_some(advance)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_counter_that_wraps_goes_on() {
        assert_eq!(advance(10, 30, None, S), Some(20));
        assert_eq!(advance(262_143_328_000, 5_000, Some(262_143_328_850), S), Some(5_851));
        assert_eq!(advance(7, 7, Some(262_143_328_850), S), Some(0));
    }

    #[test]
    fn a_counter_that_was_reset_is_not_known() {
        assert_eq!(advance(30, 10, None, S), None);
        // Read as a wrap this would be 250 kJ in a second.
        assert_eq!(advance(10_000_000_000, 5, Some(262_143_328_850), S), None);
        assert_eq!(advance(10, 99_000_000_000, None, S), None);
    }

    #[test]
    fn a_region_in_which_it_may_wrap_twice_is_not_known() {
        let long = Duration::from_secs(90);
        assert_eq!(advance(10, 20_000_000, Some(262_143_328_850), long), None);
        assert_eq!(advance(10, 20_000_010, None, long), Some(20_000_000));
    }
}
