//! The shortest time that work can take on a machine whose ceilings are known.

/// A ceiling with its range: bytes or operations per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The lower end of its range.
    pub lower: f64,
    /// The ceiling.
    pub per_second: f64,
    /// The upper end of its range; infinite if nothing bounds it.
    pub upper: f64,
}

impl Rate {
    /// The higher one, with the higher one of each end: what may be faster is not known to be slower.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            lower: self.lower.max(other.lower),
            per_second: self.per_second.max(other.per_second),
            upper: self.upper.max(other.upper),
        }
    }
}

/// Seconds that work takes at least, with their range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Floor {
    /// With the upper ends of the ceilings.
    pub lower: f64,
    /// With the ceilings.
    pub seconds: f64,
    /// With the lower ends of the ceilings.
    pub upper: f64,
}

impl Floor {
    /// The time of an amount at a rate.
    pub fn of(amount: f64, rate: Rate) -> Self {
        if amount <= 0.0 {
            return Self::default();
        }
        Self { lower: amount / rate.upper, seconds: amount / rate.per_second, upper: amount / rate.lower }
    }

    /// One after the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            lower: self.lower + other.lower,
            seconds: self.seconds + other.seconds,
            upper: self.upper + other.upper,
        }
    }

    /// Both at the same time.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            lower: self.lower.max(other.lower),
            seconds: self.seconds.max(other.seconds),
            upper: self.upper.max(other.upper),
        }
    }

    /// Its share of a time with an interval: the lower end, which is 0 if nothing bounds a ceiling, the share, and the upper
    /// end. `None` if the time is not positive, or a share is not finite and positive.
    pub fn share_of(self, (lower, seconds, upper): (f64, f64, f64)) -> Option<(f64, f64, f64)> {
        let is_time = lower > 0.0 && seconds > 0.0 && upper > 0.0;
        let (least, share, most) = (self.lower / upper, self.seconds / seconds, self.upper / lower);
        let is_share = [share, most].iter().all(|share| share.is_finite() && *share > 0.0);
        (is_time && is_share && least.is_finite()).then_some((least, share, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { lower: 80.0, per_second: 100.0, upper: 125.0 };

    #[test]
    fn a_floor_is_an_amount_over_a_rate_with_the_ends_swapped() {
        let floor = Floor::of(200.0, RATE);
        assert_eq!((floor.lower, floor.seconds, floor.upper), (1.6, 2.0, 2.5));
        assert_eq!(Floor::of(0.0, RATE), Floor::default());
        // Twice the floor in half of the time, each end with the one that makes it extreme.
        assert_eq!(floor.share_of((4.0, 5.0, 8.0)), Some((0.2, 0.4, 0.625)));
        assert_eq!(floor.share_of((0.0, 5.0, 8.0)), None);
        assert_eq!(Floor::default().share_of((4.0, 5.0, 8.0)), None);
        let endless = Floor::of(1e300, Rate { lower: 1e-300, ..RATE });
        assert_eq!(endless.share_of((4.0, 5.0, 8.0)), None);
    }

    #[test]
    fn floors_add_up_over_devices_and_the_longer_binds_within_one() {
        let (bytes, flops) = (Floor::of(200.0, RATE), Floor::of(100.0, RATE));
        assert_eq!(bytes.max(flops), bytes);
        assert_eq!(bytes.plus(flops).seconds, 3.0);
        assert_eq!(bytes.plus(flops).lower, 1.6 + 0.8);
        let slower = Rate { lower: 1.0, per_second: 2.0, upper: 3.0 };
        assert_eq!((RATE.max(slower), slower.max(RATE)), (RATE, RATE));
        let unbounded = Rate { upper: f64::INFINITY, ..slower };
        assert_eq!(RATE.max(unbounded), Rate { upper: f64::INFINITY, ..RATE });
        let floor = Floor::of(200.0, RATE.max(unbounded));
        assert_eq!(floor.share_of((4.0, 5.0, 8.0)), Some((0.0, 0.4, 0.625)));
    }
}
