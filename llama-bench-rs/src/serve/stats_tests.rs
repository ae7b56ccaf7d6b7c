use super::*;
use crate::serve::{
    Arrivals, FigureOf,
    report_fixture::{MS, cut, load, request, served},
};

fn figures(repetitions: Vec<Repetition>) -> LoadFigures {
    load(Arrivals::users(1), repetitions).figures(Some(&Slo::default().ttft(20 * MS)))
}

/// `n` requests whose times to first token are 1 to `n` ms, and `offset` more.
fn ramp(n: u32, offset: u32) -> Repetition {
    served((1..=n).map(|ttft| request(0, ttft + offset, &[1])).collect())
}

#[test]
fn throughput_is_over_the_wall_time_of_a_repetition() {
    // 2 requests, 3 + 2 tokens, in 100 ms (50 t/s); in the other repetition 200 ms (25 t/s).
    let of = |ttft: u32| served(vec![request(0, ttft, &[10, 10]), request(5, 40, &[10])]);
    let figures = figures(vec![of(80), of(180)]);
    let generation = figures.generation.unwrap();
    assert!((generation.value.get() - 37.5).abs() < 1e-9, "{generation:?}");
    assert_eq!((generation.n_reps, generation.n, generation.of), (2, 4, FigureOf::Repetitions));
    assert!(
        generation.lower.is_none() && generation.upper.unwrap().get() > 50.0,
        "two repetitions tell little"
    );
    assert!((figures.prompt.unwrap().value.get() - 150.0).abs() < 1e-9);
    assert!((figures.requests.unwrap().value.get() - 15.0).abs() < 1e-9);
    assert_eq!(figures.busy.unwrap().value.get(), 1.0);
    assert_eq!(figures.rows_per_step, Some(22.0));
    assert_eq!((figures.n_reps, figures.n_requests, figures.n_failed), (2, 4, 0));
}

#[test]
fn a_percentile_of_few_requests_is_unknown_rather_than_the_maximum() {
    let known = |n: u32| {
        let ttft = figures(vec![ramp(n, 0)]).ttft;
        ttft.each().map(|(_, figure)| figure.is_some())
    };
    assert_eq!(known(1), [false; 4]);
    assert_eq!(known(2), [true, false, false, false]);
    assert_eq!(known(10), [true, true, false, false]);
    assert_eq!(known(20), [true, true, true, false]);
    assert_eq!(known(99), [true, true, true, false]);
    assert_eq!(known(100), [true; 4]);
    // numpy.quantile(range(1, 101), [0.5, 0.9, 0.95, 0.99])
    let ttft = figures(vec![ramp(100, 0)]).ttft;
    let us = ttft.each().map(|(percent, figure)| (percent, figure.unwrap().value.as_micros()));
    assert_eq!(us, [(50, 50_500), (90, 90_100), (95, 95_050), (99, 99_010)]);
}

#[test]
fn an_interval_is_over_repetitions() {
    let ttft = figures(vec![ramp(10, 0), ramp(10, 1), ramp(10, 2)]).ttft;
    let p50 = ttft.p50.unwrap();
    assert_eq!((p50.value, p50.of, p50.n_reps, p50.n), (6500 * MS / 1000, FigureOf::Repetitions, 3, 30));
    // scipy: t.interval(0.95, 2, 6.5, 1 / sqrt(3))
    assert!((p50.lower.unwrap().as_secs_f64() - 0.004_016).abs() < 1e-5, "{p50:?}");
    assert!((p50.upper.unwrap().as_secs_f64() - 0.008_984).abs() < 1e-5, "{p50:?}");
    // Single repetitions have too few requests: all together they have enough, and no interval.
    let p95 = ttft.p95.unwrap();
    assert_eq!((p95.of, p95.lower, p95.upper, p95.n), (FigureOf::All, None, None, 30));
    assert!((MS * 10..MS * 12).contains(&p95.value), "{p95:?}");
    assert_eq!(ttft.p99, None);
}

#[test]
fn each_latency_is_of_what_its_name_says() {
    let two = || vec![request(3, 20, &[5, 7]), request(3, 20, &[5, 7])];
    let figures = figures(vec![served(two())]);
    let p50 = |of: LatencyPercentiles| of.p50.unwrap().value;
    assert_eq!(p50(figures.queueing), 3 * MS);
    assert_eq!(p50(figures.ttft), 20 * MS);
    assert_eq!(p50(figures.itl), 6 * MS);
    assert_eq!(p50(figures.total), 32 * MS);
    assert_eq!(figures.itl.p50.unwrap().n, 4, "all tokens of all requests");
}

#[test]
fn goodput_counts_requests_that_keep_the_level_and_failed_ones_do_not() {
    let failed = RequestRecord { end: None, ..request(0, 5, &[]) };
    let figures = figures(vec![served(vec![
        request(0, 20, &[80]),
        request(0, 21, &[79]),
        request(0, 10, &[90]),
        failed,
    ])]);
    let goodput = figures.goodput.unwrap();
    assert_eq!((goodput.n_kept, goodput.share.unwrap().value), (2, Share::percent(50)));
    assert!((goodput.requests.unwrap().value.get() - 20.0).abs() < 1e-9, "two in 100 ms");
    assert_eq!((figures.n_requests, figures.n_failed), (4, 1));
    let broken = super::LoadRecord::figures(
        &load(Arrivals::users(1), vec![ramp(3, 50), ramp(3, 60)]),
        Some(&Slo::default().ttft(20 * MS)),
    );
    let goodput = broken.goodput.unwrap();
    assert_eq!(goodput.requests.unwrap().value.get(), 0.0);
    assert_eq!(goodput.share.unwrap().value, Share::ZERO);
}

#[test]
fn a_share_is_at_most_all() {
    let mostly =
        |n_late: u32| served((0..10).map(|i| request(0, if i < n_late { 30 } else { 10 }, &[1])).collect());
    let share = figures(vec![mostly(0), mostly(1)]).goodput.unwrap().share.unwrap();
    assert_eq!(share.upper, Some(Share::percent(100)));
}

#[test]
fn what_was_cut_short_is_in_no_figure() {
    let whole = figures(vec![ramp(10, 0)]);
    assert_eq!(figures(vec![ramp(10, 0), cut(ramp(5, 90))]), whole);
    let none = figures(vec![cut(ramp(5, 0))]);
    assert_eq!((none.n_reps, none.generation, none.ttft.p50, none.rows_per_step), (0, None, None, None));
    assert_eq!(none.goodput.unwrap().share, None);
}
