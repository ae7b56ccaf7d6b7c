//! Requests follow from their number and the seed alone.

use std::time::Duration;

use super::{Distribution, Lengths, List, SettingError, Times, Vocabulary, Workload, fake::VOCABULARY};

#[test]
fn a_request_is_the_same_whatever_else_the_workload_holds() {
    let workload = Workload::default().prompts("lognormal:512:0.6".parse().unwrap());
    let longer = workload.clone().n_requests(1000).generations(Lengths::Fixed(7));
    for (a, b) in workload.requests().zip(longer.requests()) {
        assert_eq!((a.id, a.n_prompt), (b.id, b.n_prompt));
        assert_eq!(workload.token(VOCABULARY, a.id, 3), longer.token(VOCABULARY, b.id, 3));
    }
    let other = workload.clone().seed(43);
    assert!(workload.requests().zip(other.requests()).any(|(a, b)| a.n_prompt != b.n_prompt));
    assert!((1..50).any(|i| workload.token(VOCABULARY, 0, i) != other.token(VOCABULARY, 0, i)));
}

#[test]
fn lengths_are_distributed_as_they_say() {
    let drawn = |text: &str| {
        let workload = Workload::default().n_requests(20_000).prompts(text.parse().unwrap());
        let mut lengths: Vec<u32> = workload.requests().map(|request| request.n_prompt).collect();
        lengths.sort_unstable();
        let mean = lengths.iter().map(|&n| f64::from(n)).sum::<f64>() / lengths.len() as f64;
        (lengths, mean)
    };
    let (fixed, _) = drawn("512");
    assert_eq!((fixed[0], fixed[19_999]), (512, 512));
    let (uniform, mean) = drawn("uniform:3:6");
    assert_eq!((uniform[0], uniform[19_999]), (3, 6));
    // Standard error of the mean: 1.12 / sqrt(20000) = 0.008.
    assert!((mean - 4.5).abs() < 0.04, "{mean}");
    let (lognormal, mean) = drawn("lognormal:512:0.6");
    let quantile = |p: f64| f64::from(lognormal[(p * 20_000.0) as usize]);
    // exp(z 0.6) times the median, with z of 16 %, 50 % and 84 %; the mean is exp(0.6² / 2) times the median.
    for (p, expected) in [(0.1587, 281.0), (0.5, 512.0), (0.8413, 932.9)] {
        assert!((quantile(p) / expected - 1.0).abs() < 0.04, "{p}: {}", quantile(p));
    }
    assert!((mean / 613.0 - 1.0).abs() < 0.03, "{mean}");
    let (capped, _) = drawn("lognormal:512:0.6:600");
    assert_eq!(capped[19_999], 600);
    let (exponential, mean) = drawn("exponential:1000");
    assert!((mean / 1000.0 - 1.0).abs() < 0.04, "{mean}");
    assert!((f64::from(exponential[10_000]) / 693.1 - 1.0).abs() < 0.04);
    // However wide, a length is a length.
    let (wide, _) = drawn("lognormal:2000000000:5");
    assert_eq!((wide[0] >= 1, wide[19_999]), (true, i32::MAX as u32));
    let workload = Workload::default().n_requests(5).prompts("list:5:6:7".parse().unwrap());
    assert!(workload.requests().map(|request| request.n_prompt).eq([5, 6, 7, 5, 6]));
}

#[test]
fn a_prefix_is_the_same_in_all_prompts_and_the_rest_is_not() {
    let workload = Workload::default().n_prefix(10);
    assert_eq!(workload.request(3).n_prompt, 522);
    let tokens = |id: u32, range: std::ops::Range<u32>| -> Vec<i32> {
        range.map(|position| workload.token(VOCABULARY, id, position)).collect()
    };
    assert_eq!(tokens(0, 0..10), tokens(1, 0..10));
    assert_ne!(tokens(0, 10..20), tokens(1, 10..20));
    assert_eq!(tokens(0, 0..1), [7], "the token that begins a sequence");
    let without = Vocabulary { bos: None, ..VOCABULARY };
    assert_ne!(tokens(0, 0..1), [workload.token(without, 0, 0)]);
    // A longer prefix begins with the shorter one.
    let longer = workload.clone().n_prefix(20);
    assert!(
        (0..10).all(|position| longer.token(VOCABULARY, 9, position) == tokens(0, 0..10)[position as usize])
    );
}

#[test]
fn tokens_spread_over_the_vocabulary() {
    let small = Vocabulary { n_vocab: 100, bos: None };
    let mut counts = [0u32; 100];
    let workload = Workload::default();
    for id in 0..10 {
        for position in 0..1000 {
            counts[workload.token(small, id, position) as usize] += 1;
        }
    }
    assert!(counts.iter().all(|&count| (50..200).contains(&count)), "{counts:?}");
}

#[test]
fn the_longest_request_is_known_before() {
    let workload = Workload::default()
        .n_requests(4)
        .n_prefix(100)
        .prompts("list:5:50:7:9".parse().unwrap())
        .generations("list:10:2:99:1".parse().unwrap());
    assert_eq!(workload.n_longest(), Some(100 + 7 + 99));
    assert_eq!(workload.clone().n_requests(0).n_longest(), None);
}

#[test]
fn what_cannot_be_served_is_refused_with_its_reason() {
    let refusal = |workload: &Workload| workload.check().unwrap_err().to_string();
    let workload = Workload::default();
    assert!(workload.check().is_ok());
    assert_eq!(refusal(&workload.clone().n_requests(0)), "0 requests give no figure: ask for at least 1");
    assert_eq!(
        refusal(&workload.clone().n_requests(u32::MAX)),
        "4294967295 requests are more than a repetition holds: ask for at most 1000000, and for more repetitions"
    );
    assert_eq!(
        refusal(&workload.clone().n_prefix(i32::MAX as u32 - 600)),
        "request 0 has 2147483559 prompt tokens and generates 128, past the last position that llama.cpp can count \
         (2147483647): shorten the prefix, the prompts or the generations"
    );
    assert!(matches!(workload.clone().n_prefix(u32::MAX).check(), Err(SettingError::TooLong { id: 0, .. })));
    // Values that were not read from a text are checked too.
    for lengths in [
        Distribution::Fixed(0),
        Distribution::Uniform { least: 9, most: 1 },
        Distribution::Lognormal { median: 5, sigma: f64::NAN, most: None },
        Distribution::List(List { values: Vec::new(), file: None }),
        Distribution::List(List { values: vec![5, 0], file: None }),
    ] {
        assert!(matches!(workload.clone().generations(lengths).check(), Err(SettingError::Distribution(_))));
    }
    assert!(Times::Fixed(Duration::ZERO).check().is_ok());
}
