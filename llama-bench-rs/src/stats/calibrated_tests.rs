use super::*;

const MS: f64 = 1e6;

fn duration(ns: f64) -> Duration {
    Duration::from_nanos(ns.round() as u64)
}

#[test]
fn the_middle_half_is_what_counts() {
    // scipy.stats.trim_mean(x, 0.25); winsorised variance by hand: 2,2,2,3,4,5,5,5 has 14 / 7.
    let (figure, variance) = middle(&[-90.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 80.0]).unwrap();
    assert!((figure - 3.5).abs() < 1e-12);
    assert!((variance - 14.0 / 7.0 / (0.25 * 8.0)).abs() < 1e-12);
    assert_eq!(middle(&[]), None);
    assert_eq!(middle(&[7.0]), Some((7.0, 0.0)));
    assert_eq!(middle(&[1.0, 3.0]).unwrap().0, 2.0);
}

#[test]
fn the_calibration_of_a_run_is_the_geometric_mean() {
    let run = CalibratedRun::new([(duration(MS), duration(40e3)), (duration(MS), duration(90e3))]).unwrap();
    assert_eq!(run.calibration(), Duration::from_micros(60));
}

#[test]
fn what_has_no_time_is_refused() {
    assert_eq!(CalibratedRun::new([]), None);
    assert_eq!(CalibratedRun::new([(Duration::ZERO, duration(MS))]), None);
    assert_eq!(CalibratedRun::new([(duration(MS), Duration::ZERO)]), None);
}

#[test]
fn a_repetition_of_no_time_has_no_multiple() {
    let no_time = [(Duration::ZERO, Duration::ZERO); 4];
    assert_eq!(CalibratedRun::new(no_time), None);
    assert_eq!(CalibratedRun::new([(Duration::from_millis(1), Duration::ZERO); 4]), None);
}
