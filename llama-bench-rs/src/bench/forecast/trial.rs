//! What a plan takes, from a short trial of it.

use std::time::Duration;

use super::{
    TimeLeft,
    costs::{Class, Costs},
    lane::Lane,
};
use crate::{
    bench::Plan,
    record::{Header, TestKind},
};

/// What a trial found: the context and the warm-up, and what one repetition of each kind of test took.
#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct Tried {
    pub(in crate::bench) setup: Duration,
    /// In an empty context.
    pub(in crate::bench) tests: Vec<(TestKind, Duration)>,
}

/// What one run of a plan takes; `None` if the trial lacks a kind of test that is planned.
pub(in crate::bench) fn after_trial(plan: &Plan, tried: &Tried) -> Option<TimeLeft> {
    let header = Header::default();
    let mut costs = Costs::new(vec![&header]);
    costs.add(Class::Setup, 0, 0, 0, (1, tried.setup.as_secs_f64()));
    for (kind, elapsed) in &tried.tests {
        let n = kind.n_tokens();
        costs.add((*kind).into(), 0, n, 0, (n, elapsed.as_secs_f64()));
    }
    costs.fit();
    let lane = Lane::alone(plan);
    if lane.classes().any(|class| !costs.knows(class)) {
        return None;
    }
    let take = |is_most: bool| lane.left(0, &costs, 1.0, is_most);
    let at_most = plan.request.stopping.map(|_| take(true));
    Some(TimeLeft::of(take(false), costs.slowest_third(), at_most, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Request, plan::tests::request};

    #[test]
    fn a_plan_takes_what_its_repetitions_and_its_fill_take() {
        let request = Request {
            prompts: vec![512],
            generations: vec![16],
            depths: vec![0, 2048],
            n_reps: 5,
            ..request()
        };
        let plan = request.plan().unwrap();
        let second = Duration::from_secs(1);
        let tests = vec![(TestKind::Pp(256), second), (TestKind::Tg(4), second)];
        let mut tried = Tried { setup: 3 * second, tests };
        // Two prompts of 2 s and two generations of 4 s, five times; 1536 tokens to fill beyond a prompt: 6 s.
        let expected = 3.0 + 5.0 * (2.0 * 2.0 + 2.0 * 4.0) + 6.0;
        let found = after_trial(&plan, &tried).unwrap();
        let share = found.expected.as_secs_f64() / expected;
        assert!((0.95..1.2).contains(&share), "{} for {expected} s", found.expected.as_secs_f64());
        assert!(found.range.0 < found.expected && found.expected < found.range.1, "{found:?}");
        tried.tests.pop();
        assert_eq!(after_trial(&plan, &tried), None, "nothing is known of generations");
    }
}
