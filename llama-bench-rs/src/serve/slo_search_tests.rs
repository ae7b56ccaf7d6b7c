use super::*;
use crate::stats::Rng;

fn search_users() -> Search {
    Search::new(Arrivals::users(1)).most(64.0)
}

fn kept(n_requests: u32, n_kept: u32) -> Kept {
    Kept { n_requests, n_kept }
}

/// Tries loads until the search ends; a load of this size gives repetitions of 100 requests.
fn find(search: Search, mut repetition: impl FnMut(f64) -> Kept) -> Capacity {
    let mut searching = Searching::new(Slo::default(), search);
    loop {
        let arrivals = match searching.next() {
            Next::Try(arrivals) => arrivals,
            Next::End(ended) => return searching.capacity(ended),
        };
        let mut repetitions = Vec::new();
        let verdict = loop {
            repetitions.push(repetition(size(&arrivals)));
            if let Some(verdict) = searching.look(&repetitions) {
                break verdict;
            }
        };
        searching.tried(arrivals, &repetitions, verdict);
        assert!(searching.tries.len() < 100, "it does not end: {:?}", searching.tries);
    }
}

fn up_to(most: f64) -> impl FnMut(f64) -> Kept {
    move |size| kept(100, if size <= most { 100 } else { 50 })
}

#[test]
fn the_largest_number_of_users_is_found_for_every_answer() {
    for most in 1..=63 {
        let found = find(search_users(), up_to(f64::from(most)));
        assert_eq!(found.ended, Ended::Found);
        assert_eq!(
            (found.keeps, found.breaks),
            (Some(Arrivals::users(most)), Some(Arrivals::users(most + 1)))
        );
        assert!(found.tries.len() <= 13, "{most}: {} tries", found.tries.len());
    }
}

#[test]
fn growth_doubles_and_then_the_gap_is_halved() {
    let sizes: Vec<f64> = find(search_users(), up_to(11.0)).tries.iter().map(|t| size(&t.arrivals)).collect();
    assert_eq!(sizes, [1.0, 2.0, 4.0, 8.0, 16.0, 12.0, 10.0, 11.0]);
}

#[test]
fn the_ends_of_the_range_are_named() {
    let all = find(search_users(), up_to(1000.0));
    assert_eq!((all.ended, all.keeps, all.breaks), (Ended::AtMost, Some(Arrivals::users(64)), None));
    let none = find(search_users(), up_to(0.0));
    assert_eq!((none.ended, none.keeps, none.breaks), (Ended::NeverKept, None, Some(Arrivals::users(1))));
    let downwards = find(Search::new(Arrivals::users(40)), up_to(3.0));
    assert_eq!((downwards.ended, downwards.keeps), (Ended::Found, Some(Arrivals::users(3))));
}

#[test]
fn rates_are_found_to_a_tenth_upwards_and_downwards() {
    for most in [0.013, 0.4, 1.0, 7.7] {
        let found = find(Search::new(Arrivals::Open { rate: 0.5 }), up_to(most));
        assert_eq!(found.ended, Ended::Found, "{most}");
        let (keeps, breaks) = (size(&found.keeps.unwrap()), size(&found.breaks.unwrap()));
        assert!(keeps <= most && most < breaks && breaks <= 1.1 * keeps, "{most}: {keeps} to {breaks}");
    }
    let never = find(Search::new(Arrivals::Open { rate: 0.5 }), up_to(0.0));
    assert_eq!((never.ended, never.keeps), (Ended::NeverKept, None));
    let always = find(Search::new(Arrivals::Open { rate: 0.5 }).most(3.0), up_to(1e9));
    assert_eq!((always.ended, always.keeps), (Ended::AtMost, Some(Arrivals::Open { rate: 3.0 })));
}

#[test]
fn think_times_stay_as_they_were() {
    let think: crate::serve::Times = "2s".parse().unwrap();
    let from = Arrivals::Closed { users: 1, think: think.clone() };
    let found = find(Search::new(from), up_to(5.0));
    assert_eq!(found.keeps, Some(Arrivals::Closed { users: 5, think }));
}

#[test]
fn a_load_keeps_the_level_only_with_enough_requests() {
    let mut searching = Searching::new(Slo::default(), search_users());
    // By hand: 0.99^367 = 0.02501, 0.99^368 = 0.02476; the first test may err in 0.05 / 2.
    assert_eq!(searching.n_needed(), 368);
    assert_eq!(searching.look(&[kept(184, 184)]), None, "one repetition never decides");
    assert_eq!(searching.look(&[kept(184, 184), kept(183, 183)]), None);
    assert_eq!(searching.look(&[kept(184, 184), kept(184, 184)]), Some(TryVerdict::Keeps));
    assert_eq!(searching.n_needed(), 477, "0.05 / 6 for the second test");
    let lenient = Searching::new(Slo::default(), search_users().share(Share::percent(90)));
    assert_eq!(lenient.n_needed(), 36);
}

#[test]
fn a_load_far_beyond_is_seen_after_two_repetitions() {
    let mut searching = Searching::new(Slo::default(), search_users());
    assert_eq!(searching.look(&[kept(32, 3), kept(32, 1)]), Some(TryVerdict::Breaks));
}

#[test]
fn what_stays_unsure_ends_and_is_never_called_kept_or_broken() {
    // Just at the limit, with as many requests as allowed.
    let found = find(search_users().max_requests(1000), |size| kept(100, if size < 3.0 { 100 } else { 99 }));
    let unsure: Vec<&Try> = found.tries.iter().filter(|t| t.verdict == TryVerdict::Unsure).collect();
    assert!(!unsure.is_empty() && unsure.iter().all(|t| t.n_requests <= 1000), "{:?}", found.tries);
    assert_eq!((found.keeps, found.breaks, found.ended), (Some(Arrivals::users(2)), None, Ended::Found));
}

#[test]
fn a_failed_load_is_an_upper_end() {
    let mut searching = Searching::new(Slo::default(), search_users());
    searching.tried(Arrivals::users(1), &[kept(400, 400)], TryVerdict::Keeps);
    searching.tried(Arrivals::users(2), &[], TryVerdict::Failed);
    assert_eq!(searching.next(), Next::End(Ended::Found));
    let capacity = searching.capacity(Ended::Found);
    assert_eq!((capacity.keeps, capacity.breaks), (Some(Arrivals::users(1)), None));
}

#[test]
fn requests_that_share_the_luck_of_their_repetition_count_less() {
    let alike = Sample::of(&[kept(100, 90), kept(100, 90), kept(100, 90)]);
    assert_eq!((alike.n, alike.n_kept), (300.0, 270.0));
    let apart = Sample::of(&[kept(100, 100), kept(100, 100), kept(100, 70)]);
    // By hand: p 0.9; between (10² + 10² + 20²) · 3/2 / 300² = 0.01, independent 0.09 / 300 = 0.0003.
    assert!((apart.n - 300.0 / (0.01 / 0.0003)).abs() < 1e-9, "{apart:?}");
}

#[test]
fn chances_agree_with_scipy() {
    let sample = Sample { n: 100.0, n_kept: 97.0 };
    // scipy.stats.binom.sf(96, 100, 0.9) and binom.cdf(97, 100, 0.99)
    assert!(
        (sample.chance_of_as_many(0.9) - 0.007_836_487).abs() < 1e-6,
        "{}",
        sample.chance_of_as_many(0.9)
    );
    assert!((sample.chance_of_as_few(0.99) - 0.079_373_2).abs() < 1e-6, "{}", sample.chance_of_as_few(0.99));
    let all = Sample { n: 5.0, n_kept: 5.0 };
    assert_eq!(all.chance_of_as_few(0.9), 1.0);
    assert!((all.chance_of_as_many(0.9) - 0.9f64.powi(5)).abs() < 1e-12);
    assert_eq!(Sample { n: 5.0, n_kept: 0.0 }.chance_of_as_many(0.9), 1.0);
}

#[test]
fn the_answer_is_as_certain_as_it_says() {
    // 4 users keep it in 97 % of requests, 5 in only 89 %; 90 % are asked for. Seeded: the same on every machine.
    let (mut n_too_many, mut n_found) = (0, 0);
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let search = search_users().share(Share::percent(90)).most(16.0);
        let found = find(search, |size| {
            let p = if size <= 4.0 { 0.97 } else { 0.89 };
            kept(50, (0..50).filter(|_| rng.uniform() <= p).count() as u32)
        });
        let users = found.keeps.as_ref().map_or(0.0, size);
        n_too_many += u32::from(users > 4.0);
        n_found += u32::from(users == 4.0);
    }
    // 5 % of 200 are 10.
    assert!(n_too_many <= 10, "{n_too_many}");
    assert!(n_found >= 150, "{n_found}");
}

#[test]
fn what_cannot_be_searched_is_refused_with_the_remedy() {
    let refused = |search: Search| search.refusal().map(|(name, value, _)| (name, value));
    assert_eq!(refused(search_users()), None);
    assert_eq!(refused(search_users().share(Share::percent(100))), Some(("share", "1".into())));
    assert_eq!(refused(search_users().most(0.5)), Some(("most", "0.5".into())));
    assert_eq!(refused(search_users().most(f64::NAN)).map(|(name, _)| name), Some("most"));
    assert_eq!(refused(search_users().max_requests(0)).map(|(name, _)| name), Some("max_requests"));
}
