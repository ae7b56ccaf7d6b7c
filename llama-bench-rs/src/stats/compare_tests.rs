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
fn welchs_test_agrees_with_the_published_example() {
    // R's documentation of t.test: p 0.07939, interval -3.3654832 0.2054832
    let difference = Difference::welch(&all(&FIRST), &all(&SECOND)).unwrap();
    close(difference.mean, -1.58);
    close(difference.lower, -3.3654832);
    close(difference.upper, 0.2054832);
    assert!((difference.p_value - 0.07939).abs() < 5e-6);
}

#[test]
fn the_paired_test_agrees_with_the_published_example() {
    // t.test(extra ~ group, paired): p 0.002833, interval -2.4598858 -0.7001142
    let difference = Difference::paired(&all(&FIRST), &all(&SECOND)).unwrap();
    close(difference.lower, -2.4598858);
    close(difference.upper, -0.7001142);
    assert!((difference.p_value - 0.002833).abs() < 5e-7);
}

fn ms(values: &[f64]) -> Samples<Duration> {
    Samples::new(values.iter().map(|ms| Duration::from_secs_f64(ms / 1e3))).unwrap()
}

fn scaled(by: f64) -> Samples<Duration> {
    ms(&[100.2, 99.8, 100.1, 99.9, 100.0].map(|x| x * by))
}

fn compared(before: &Samples<Duration>, after: &Samples<Duration>, design: Design) -> Comparison {
    Comparison::of_times(before, after, design, Threshold::default()).unwrap()
}

#[test]
fn a_longer_time_is_a_regression() {
    for design in [Design::Paired, Design::Independent] {
        let slower = compared(&scaled(1.0), &scaled(1.05), design);
        assert_eq!(slower.verdict, Verdict::Regressed);
        close(slower.speedup.get(), 1.0 / 1.05);
        let faster = compared(&scaled(1.05), &scaled(1.0), design);
        assert_eq!(faster.verdict, Verdict::Improved);
        close(faster.speedup.get() * slower.speedup.get(), 1.0);
    }
}

#[test]
fn a_sure_but_small_change_is_none() {
    let comparison = compared(&scaled(1.0), &scaled(1.005), Design::Independent);
    assert!(comparison.p_value.get() < 0.01);
    assert_eq!(comparison.verdict, Verdict::NoChange);
}

#[test]
fn noise_cannot_tell() {
    let noisy = ms(&[80.0, 120.0, 95.0, 110.0, 100.0]);
    assert_eq!(compared(&noisy, &scaled(1.05), Design::Independent).verdict, Verdict::CannotTell);
}

#[test]
fn pairs_cancel_what_both_sides_share() {
    let before = ms(&[100.0, 110.0, 121.0, 90.0, 133.0]);
    let after = ms(&[105.1, 115.4, 127.2, 94.4, 139.8]);
    assert_eq!(compared(&before, &after, Design::Paired).verdict, Verdict::Regressed);
    assert_eq!(compared(&before, &after, Design::Independent).verdict, Verdict::CannotTell);
}

#[test]
fn identical_sides_have_not_changed() {
    let still = ms(&[100.0; 4]);
    let same = compared(&still, &still, Design::Independent);
    assert_eq!((same.verdict, same.p_value.get()), (Verdict::NoChange, 1.0));
    assert_eq!(compared(&still, &ms(&[104.0; 4]), Design::Independent).verdict, Verdict::Regressed);
}

#[test]
fn many_samples_are_bootstrapped() {
    let many =
        |by: f64| ms(&(0..40).map(|i| by * (100.0 + f64::from(i * 7 % 11) / 10.0)).collect::<Vec<_>>());
    for design in [Design::Paired, Design::Independent] {
        assert_eq!(compared(&many(1.0), &many(1.03), design).verdict, Verdict::Regressed);
        assert_eq!(compared(&many(1.0), &many(1.0), design).verdict, Verdict::NoChange);
    }
}

#[test]
fn together_they_must_be_surer() {
    let lone = compared(&ms(&[100.0, 101.0, 102.0]), &ms(&[106.0, 107.0, 109.0]), Design::Independent);
    assert_eq!(lone.verdict, Verdict::Regressed);
    assert!((0.002..0.02).contains(&lone.p_value.get()), "{}", lone.p_value.get());
    let mut many = [lone; 30];
    Comparison::correct(&mut many);
    assert!(many.iter().all(|c| c.verdict == Verdict::CannotTell && c.speedup == lone.speedup));
    let mut one = [lone];
    Comparison::correct(&mut one);
    assert_eq!(one, [lone]);
}

#[test]
fn what_cannot_be_compared_says_why() {
    let compare = |a: &Samples<Duration>, b: &Samples<Duration>, design| {
        Comparison::of_times(a, b, design, Threshold::default()).unwrap_err()
    };
    let one = ms(&[100.0]);
    let five = scaled(1.0);
    assert_eq!(compare(&one, &five, Design::Paired), CompareError::TooFew { before: 1, after: 5 });
    let two = ms(&[1.0, 2.0]);
    assert_eq!(compare(&two, &five, Design::Paired), CompareError::Unpaired { before: 2, after: 5 });
    assert_eq!(compare(&two, &ms(&[0.0, 1.0]), Design::Independent), CompareError::NoTime);
}
