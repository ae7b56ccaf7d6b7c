//! Which numbers of sequences share a context: all that fit together. If not all do, the largest are left to later
//! contexts, each with a fill of its own. A number that does not fit even alone gives up its deepest depth, and is tried
//! again with what is left.

use std::collections::BTreeSet;

/// Numbers of sequences that no context was found for yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Sharing {
    /// Ascending.
    left: Vec<u32>,
    /// So many of them, from the smallest, are to share the next context.
    n_together: usize,
}

/// What to do about numbers of sequences that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// The largest was left for later: try the others.
    PutOff,
    /// There is one number alone, or none may wait: its deepest depth is to be given up.
    GiveUpDeepest,
}

impl Sharing {
    /// Of these numbers, in any order.
    pub(super) fn of(levels: impl IntoIterator<Item = u32>) -> Self {
        let left: Vec<u32> = levels.into_iter().collect::<BTreeSet<u32>>().into_iter().collect();
        Self { n_together: left.len(), left }
    }

    /// Whether a context is still to be found for some.
    pub(super) fn are_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// Those that are to share the next context; none if nothing is left.
    pub(super) fn together(&self) -> &[u32] {
        &self.left[..self.n_together]
    }

    /// A context serves these, or nothing is left to measure of them.
    pub(super) fn served(&mut self) {
        self.left.drain(..self.n_together);
        self.n_together = self.left.len();
    }

    /// They do not fit into one context.
    pub(super) fn does_not_fit(&mut self, may_put_off: bool) -> Misfit {
        if self.n_together > 1 && may_put_off {
            self.n_together -= 1;
            Misfit::PutOff
        } else {
            Misfit::GiveUpDeepest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_put_off_until_the_rest_fits() {
        let mut sharing = Sharing::of([16, 1, 4, 1]);
        assert_eq!(sharing.together(), [1, 4, 16]);
        assert_eq!((sharing.does_not_fit(true), sharing.together()), (Misfit::PutOff, &[1, 4][..]));
        sharing.served();
        assert_eq!((sharing.does_not_fit(true), sharing.together()), (Misfit::GiveUpDeepest, &[16][..]));
        sharing.served();
        assert!(!sharing.are_left() && sharing.together().is_empty());
        assert_eq!(Sharing::of([1, 4]).does_not_fit(false), Misfit::GiveUpDeepest);
    }
}
