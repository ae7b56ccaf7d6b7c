use super::*;

/// Student's sleep data (1908): extra hours of sleep under two drugs.
const FIRST: [f64; 10] = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
const SECOND: [f64; 10] = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
}

fn all(values: &[f64]) -> Logs {
    Logs { values: values.to_vec(), n_deciding: values.len() }
}

#[test]
fn welchs_interval_agrees_with_the_published_example() {
    // R's documentation of t.test: interval -3.3654832 0.2054832
    let difference = Difference::welch(&all(&FIRST), &all(&SECOND)).unwrap();
    close(difference.mean, -1.58);
    close(difference.lower, -3.3654832);
    close(difference.upper, 0.2054832);
}

#[test]
fn the_paired_interval_agrees_with_the_published_example() {
    // t.test(extra ~ group, paired): interval -2.4598858 -0.7001142
    let difference = Difference::paired(&all(&FIRST), &all(&SECOND)).unwrap();
    close(difference.lower, -2.4598858);
    close(difference.upper, -0.7001142);
}

fn ms(values: &[f64]) -> Samples<Duration> {
    Samples::new(values.iter().map(|ms| Duration::from_secs_f64(ms / 1e3))).unwrap()
}

fn scaled(by: f64) -> Samples<Duration> {
    ms(&[100.2, 99.8, 100.1, 99.9, 100.0].map(|x| x * by))
}

fn ratio(before: &Samples<Duration>, after: &Samples<Duration>, design: Design) -> Ratio {
    Ratio::of_times(before, after, design).unwrap()
}

#[test]
fn a_longer_time_is_a_lower_speed() {
    for design in [Design::Paired, Design::Independent] {
        let slower = ratio(&scaled(1.0), &scaled(1.05), design);
        close(slower.speedup.get(), 1.0 / 1.05);
        assert!(slower.bounds.upper() < Speedup::ONE && slower.bounds.contains(slower.speedup));
        let faster = ratio(&scaled(1.05), &scaled(1.0), design);
        assert!(faster.bounds.lower() > Speedup::ONE);
        close(faster.speedup.get() * slower.speedup.get(), 1.0);
    }
}

#[test]
fn pairs_cancel_what_both_sides_share() {
    let before = ms(&[100.0, 110.0, 121.0, 90.0, 133.0]);
    let after = ms(&[105.1, 115.4, 127.2, 94.4, 139.8]);
    assert!(!ratio(&before, &after, Design::Paired).bounds.contains(Speedup::ONE));
    assert!(ratio(&before, &after, Design::Independent).bounds.contains(Speedup::ONE));
}

#[test]
fn sides_that_do_not_vary_have_an_interval_of_no_width() {
    let still = ratio(&ms(&[100.0; 4]), &ms(&[104.0; 4]), Design::Independent);
    assert_eq!(still.bounds, Bounds::between(still.speedup, still.speedup));
}

#[test]
fn many_samples_are_bootstrapped() {
    let many =
        |by: f64| ms(&(0..60).map(|i| by * (100.0 + f64::from(i * 7 % 11) / 10.0)).collect::<Vec<_>>());
    for design in [Design::Paired, Design::Independent] {
        assert!(ratio(&many(1.0), &many(1.03), design).bounds.upper() < Speedup::ONE);
        assert!(ratio(&many(1.0), &many(1.0), design).bounds.contains(Speedup::ONE));
    }
}

#[test]
fn what_cannot_be_compared_has_no_ratio() {
    let (one, two, five) = (ms(&[100.0]), ms(&[1.0, 2.0]), scaled(1.0));
    for design in [Design::Paired, Design::Independent] {
        assert_eq!(Ratio::of_times(&one, &one, design), None, "one sample tells no spread");
        assert_eq!(Ratio::of_times(&two, &ms(&[0.0, 1.0]), design), None, "no time has no speed");
    }
    assert_eq!(Ratio::of_times(&two, &five, Design::Paired), None, "these are no pairs");
    assert!(Ratio::of_times(&two, &five, Design::Independent).is_some());
}
