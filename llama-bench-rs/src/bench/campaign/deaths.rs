//! Where processes were lost: one that dies twice in a row at the same point would die there again.

use std::{collections::HashMap, fmt};

use crate::{
    isolate::EventLine,
    record::{Failure, Test},
};

/// The end of a process before its work was done.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) failure: Failure,
    /// The run that it was at, by its place in the process's work.
    pub(super) turn: usize,
    pub(super) point: Point,
}

/// How far it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Loading,
    Opening,
    WarmingUp,
    /// To this depth.
    Filling(u32),
    Measuring(Test),
}

impl Point {
    /// Where a process is after this event; `None` if it is where it was.
    pub(super) fn of(event: &EventLine) -> Option<Self> {
        match event {
            EventLine::Configuration { .. } | EventLine::Opening { .. } => Some(Self::Opening),
            EventLine::WarmingUp => Some(Self::WarmingUp),
            EventLine::Filling { n_depth, .. } => Some(Self::Filling(*n_depth)),
            EventLine::Measuring { test, .. } => Some(Self::Measuring(*test)),
            _ => None,
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading => write!(f, "while its model was loaded"),
            Self::Opening => write!(f, "while its context was made"),
            Self::WarmingUp => write!(f, "in its warm-up"),
            Self::Filling(n_depth) => write!(f, "while its context was filled to depth {n_depth}"),
            Self::Measuring(test) => write!(f, "in {test}"),
        }
    }
}

/// The latest death of each configuration.
#[derive(Debug, Default)]
pub(super) struct Deaths(HashMap<usize, Death>);

#[derive(Debug)]
struct Death {
    point: Point,
    /// Why its other runs are not begun, once it died twice in a row at the same point.
    given_up: Option<Failure>,
}

impl Deaths {
    /// A process was lost at a run of this configuration.
    pub(super) fn count(&mut self, index: usize, Lost { failure, point, .. }: &Lost) {
        let is_again = self.0.get(&index).is_some_and(|before| before.point == *point);
        let given_up = is_again.then(|| {
            let message =
                format!("given up, since two processes in a row ended {point}: {}", failure.message);
            Failure { message, ..failure.clone() }
        });
        self.0.insert(index, Death { point: *point, given_up });
    }

    /// A process did its work.
    pub(super) fn forget(&mut self, index: usize) {
        self.0.remove(&index);
    }

    /// Why this configuration gets no further process.
    pub(super) fn given_up(&self, index: usize) -> Option<Failure> {
        self.0.get(&index)?.given_up.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FailureKind, pp};

    fn lost(point: Point) -> Lost {
        Lost { failure: Failure::new(FailureKind::Signal, "killed"), turn: 0, point }
    }

    #[test]
    fn only_the_same_point_twice_in_a_row_gives_a_configuration_up() {
        let mut deaths = Deaths::default();
        let (early, late) = (Point::Loading, Point::Measuring(pp(16)));
        deaths.count(1, &lost(late));
        deaths.count(1, &lost(early));
        deaths.count(1, &lost(late));
        deaths.forget(1);
        deaths.count(1, &lost(late));
        deaths.count(0, &lost(late));
        assert_eq!((deaths.given_up(0), deaths.given_up(1)), (None, None));
        deaths.count(1, &lost(late));
        let failure = deaths.given_up(1).unwrap();
        assert_eq!(failure.message, "given up, since two processes in a row ended in pp16: killed");
        assert_eq!((failure.kind, deaths.given_up(0)), (FailureKind::Signal, None));
    }
}
