/// The two ends of a 95 % interval. The lower one is never above the upper one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<T> {
    lower: T,
    upper: T,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    /// The interval between two ends, given in either order.
    pub fn between(one: T, other: T) -> Self {
        if one <= other { Self { lower: one, upper: other } } else { Self { lower: other, upper: one } }
    }

    /// The lower end.
    pub fn lower(self) -> T {
        self.lower
    }

    /// The upper end.
    pub fn upper(self) -> T {
        self.upper
    }

    /// Whether the number lies between the ends or on one of them.
    pub fn contains(self, number: T) -> bool {
        self.lower <= number && number <= self.upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_in_order_and_part_of_the_interval() {
        let bounds = Bounds::between(3.0, -1.0);
        assert_eq!((bounds.lower(), bounds.upper()), (-1.0, 3.0));
        assert_eq!(
            [-1.0, 0.0, 3.0, 3.1, f64::NAN].map(|x| bounds.contains(x)),
            [true, true, true, false, false]
        );
    }
}
