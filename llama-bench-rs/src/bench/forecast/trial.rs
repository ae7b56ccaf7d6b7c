//! What a plan takes, from a short trial of it.

use std::time::Duration;

use super::{
    TimeLeft,
    costs::{Costs, Task},
    lane::Lane,
};
use crate::{
    bench::Plan,
    record::{Header, Test},
};

/// What a trial found: the context and the warm-up, and what one repetition of each kind of test took.
#[derive(Clone, Debug, Default)]
pub(in crate::bench) struct Tried {
    pub(in crate::bench) setup: Duration,
    /// In an empty context.
    pub(in crate::bench) tests: Vec<(Test, Duration)>,
}

/// What one run of a plan takes; `None` if the trial lacks a kind of test that is planned.
pub(in crate::bench) fn after_trial(plan: &Plan, tried: &Tried) -> Option<TimeLeft> {
    let header = Header::default();
    let mut costs = Costs::new(vec![&header]);
    costs.add(Task::setup(0), (1, tried.setup.as_secs_f64()));
    for (test, elapsed) in &tried.tests {
        let task = Task::of_test(test, 0);
        costs.add(task, (task.n_tokens, elapsed.as_secs_f64()));
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
    use crate::{
        bench::{Request, plan::tests::request},
        record::{pp, tg},
    };

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
        let tests = vec![(pp(256), second), (tg(4), second)];
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
    #[test]
    fn a_trial_of_one_level_and_of_the_highest_tells_of_those_between() {
        let request =
            Request { prompts: vec![], generations: vec![4], depths: vec![0], n_reps: 10, ..request() };
        let plan = Request { parallel: vec![1, 4, 16], ..request }.plan().unwrap();
        let seconds = Duration::from_secs;
        // Sixteen times the sequences take eight times as long, so four are expected to take three times as long.
        let tests = vec![(tg(4), seconds(1)), (tg(4).parallel(16), seconds(8))];
        let found =
            after_trial(&plan, &Tried { setup: Duration::ZERO, tests }).unwrap().expected.as_secs_f64();
        let expected = 10.0 * (1.0 + 2.8 + 8.0);
        assert!((0.9..1.1).contains(&(found / expected)), "{found} for {expected} s");
    }
}
