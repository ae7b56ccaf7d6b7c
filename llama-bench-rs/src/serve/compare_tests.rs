use super::*;
use crate::serve::{
    Policy, Workload,
    report_fixture::{cut, load, request, run, served},
};

/// 100 requests, all times longer by a factor; the n-th repetition differs from the others on both sides alike.
fn repetition(rep: u32, factor: f64) -> Repetition {
    let ms = |base: u32| (f64::from(base) * factor).round() as u32;
    served((0..100).map(|i| request(0, ms(1000 * (1 + rep) + 10 * i), &[ms(100 + i), ms(200)])).collect())
}

fn side(name: &str, factor: f64, n_reps: u32) -> ServeRun {
    let of = |users| load(Arrivals::users(users), (0..n_reps).map(|rep| repetition(rep, factor)).collect());
    run(name, vec![of(1), of(4)])
}

fn verdicts(comparison: &ServeComparison) -> Vec<Verdict> {
    let metrics = comparison.loads.iter().flat_map(|load| &load.metrics);
    metrics.map(|metric| metric.judged.unwrap().finding.verdict).collect()
}

#[test]
fn every_metric_of_every_load_has_a_verdict() {
    let slower = compare(&side("a", 1.0, 4), &side("b", 1.2, 4), Rule::default()).unwrap();
    assert_eq!((&*slower.before, &*slower.after, slower.loads.len()), ("a", "b", 2));
    assert_eq!(verdicts(&slower), [Verdict::Regressed; 10]);
    assert_eq!(slower.loads[1].verdict(Metric::TtftP99), Some(Verdict::Regressed));
    assert!(slower.has(Verdict::Regressed) && !slower.has(Verdict::Improved));
    for metric in slower.loads.iter().flat_map(|load| &load.metrics) {
        let speedup = metric.judged.unwrap().speedup.get();
        assert!((speedup - 1.0 / 1.2).abs() < 5e-3, "{}: {speedup}", metric.metric);
    }
    let same = compare(&side("a", 1.0, 4), &side("b", 1.0, 4), Rule::default()).unwrap();
    assert_eq!(verdicts(&same), [Verdict::NoChange; 10]);
    let once = compare(&side("a", 1.0, 1), &side("b", 1.2, 1), Rule::default()).unwrap();
    assert_eq!(verdicts(&once), [Verdict::CannotTell; 10]);
}

#[test]
fn only_the_metric_that_changed_is_called_changed() {
    let mut after = side("b", 1.0, 4);
    for repetition in after.loads.iter_mut().flat_map(|load| &mut load.repetitions) {
        for request in &mut repetition.served.requests {
            request.first_token = request.first_token.map(|first| first.mul_f64(1.5));
        }
    }
    let compared = compare(&side("a", 1.0, 4), &after, Rule::default()).unwrap();
    let of = |metric| compared.loads[0].verdict(metric).unwrap();
    assert_eq!([of(Metric::TtftP50), of(Metric::TtftP99)], [Verdict::Regressed; 2]);
    assert_eq!([of(Metric::Throughput), of(Metric::ItlP50), of(Metric::ItlP99)], [Verdict::NoChange; 3]);
}

#[test]
fn repetitions_are_paired_by_their_number() {
    let (before, mut after) = (side("a", 1.0, 4), side("b", 1.2, 4));
    // Resumed, and one was cut short: the order in the file says nothing.
    after.loads[0].repetitions.reverse();
    let last = &mut after.loads[0].repetitions[0];
    last.served = cut(last.served.clone());
    let compared = compare(&before, &after, Rule::default()).unwrap();
    assert_eq!((compared.loads[0].n_pairs, compared.loads[1].n_pairs), (3, 4));
    assert_eq!(verdicts(&compared), [Verdict::Regressed; 10]);
}

#[test]
fn a_percentile_that_is_not_known_has_no_verdict() {
    let few = |factor| {
        let mut side = side("few", factor, 4);
        for repetition in side.loads.iter_mut().flat_map(|load| &mut load.repetitions) {
            repetition.served.requests.truncate(50);
        }
        side
    };
    let compared = compare(&few(1.0), &few(1.2), Rule::default()).unwrap();
    assert_eq!(compared.loads[0].verdict(Metric::TtftP99), None, "50 requests");
    assert_eq!(compared.loads[0].verdict(Metric::TtftP50), Some(Verdict::Regressed));
    assert_eq!(
        compared.loads[0].verdict(Metric::ItlP99),
        Some(Verdict::Regressed),
        "100 times between tokens"
    );
}

#[test]
fn other_requests_are_not_compared_and_another_policy_is() {
    let (before, mut after) = (side("a", 1.0, 2), side("b", 1.0, 2));
    after.settings.policy = Policy::default().chunk(64);
    assert!(compare(&before, &after, Rule::default()).is_ok());
    after.settings.workload = Workload::default().seed(7);
    let error = compare(&before, &after, Rule::default()).unwrap_err().to_string();
    assert!(error.contains("the workload or its seed differs") && error.contains("same"), "{error}");
}

#[test]
fn loads_of_one_side_are_named() {
    let (before, mut after) = (side("a", 1.0, 2), side("b", 1.0, 2));
    after.loads[0].arrivals = Arrivals::users(9);
    let compared = compare(&before, &after, Rule::default()).unwrap();
    assert_eq!(compared.uncompared, [Arrivals::users(1), Arrivals::users(9)]);
    assert_eq!(compared.loads[0].arrivals, Arrivals::users(4));
    after.loads[1].repetitions.clear();
    let error = compare(&before, &after, Rule::default()).unwrap_err().to_string();
    assert!(error.contains("no load was served on both sides"), "{error}");
}

#[test]
fn runs_of_two_reports_are_matched_by_name() {
    let report = |runs| ServeReport { runs };
    let one =
        compare_reports(&report(vec![side("a", 1.0, 2)]), &report(vec![side("b", 1.0, 2)]), Rule::default());
    assert_eq!(one.unwrap().len(), 1, "the only ones");
    let before = report(vec![side("x", 1.0, 4), side("y", 1.0, 4)]);
    let after = report(vec![side("y", 1.2, 4), side("z", 1.0, 4)]);
    let compared = compare_reports(&before, &after, Rule::default()).unwrap();
    assert_eq!(compared.len(), 1);
    assert_eq!((&*compared[0].before, verdicts(&compared[0])[0]), ("y", Verdict::Regressed));
    assert!(compare_reports(&before, &report(vec![]), Rule::default()).is_err());
}
