use super::*;

fn row(logs: &[f64]) -> Row {
    Row { logs: logs.to_vec(), within: vec![0.0; logs.len()], doubt: 0.0, sitting: Some(0) }
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
}

#[test]
fn one_test_is_students_t_blended_with_the_assumption() {
    let before = [row(&[0.01]), row(&[0.03]), row(&[0.02])];
    let block = independent(&before, &[row(&[0.1])]).unwrap();
    // Squares 0.0002 of two degrees of freedom, and one run's worth of 2 %.
    close(block.common.log, 0.02 - 0.1);
    close(block.common.error, ((4e-4 + 2e-4) / 3.0 * (1.0 / 3.0 + 1.0f64)).sqrt());
    close(block.common.degrees_of_freedom, 3.0);
    assert_eq!(block.tests, [(block.common, None)]);
}

#[test]
fn what_is_common_and_what_is_beyond_are_told_apart() {
    // Runs that lie far apart in common; the second test takes 5 % longer.
    let before = [row(&[0.0, 1.0, 2.0]), row(&[0.08, 1.08, 2.08])];
    let block = independent(&before, &[row(&[0.04, 1.09, 2.04])]).unwrap();
    close(block.common.log, 0.0);
    close(block.tests[1].0.log, -0.05);
    let beyond = block.tests[1].1.unwrap();
    close(beyond.log, -0.05);
    // Nothing but the assumption of 0.5 %, of three degrees of freedom in all.
    close(beyond.error, (2.5e-5 / 3.0 * 1.5 * 1.5f64).sqrt());
    close(beyond.degrees_of_freedom, 3.0);
    assert!(beyond.p_value() < 0.02 && block.tests[1].0.p_value() > 0.2);
    close(block.tests[0].1.unwrap().log, 0.0);
}

#[test]
fn the_middle_is_what_most_tests_share() {
    close(middle_towards_zero(&[-0.1, 0.0]), 0.0);
    close(middle_towards_zero(&[-0.05, -0.04]), -0.04);
    close(middle_towards_zero(&[0.05, -0.04]), 0.0);
    close(middle_towards_zero(&[0.3, 0.01, 0.02]), 0.02);
    close(middle_towards_zero(&[-0.3]), -0.3);
}

#[test]
fn repetitions_that_scatter_widen_and_never_narrow() {
    let before = vec![row(&[0.0, 1.0]); 4];
    let quiet = independent(&before, &before[..1]).unwrap();
    let mut busy = row(&[0.0, 1.0]);
    busy.within = vec![0.01, 0.0];
    let busy = independent(&before, &[busy]).unwrap();
    assert!(busy.common.error > quiet.common.error);
    let error = |block: &Block, i: usize| block.tests[i].1.unwrap().error;
    assert!(error(&busy, 0) > 3.0 * error(&quiet, 0));
    close(error(&busy, 1), error(&quiet, 1));
}

#[test]
fn a_doubted_run_counts_for_less() {
    let mut before = vec![row(&[0.0]); 4];
    before[3] = Row { doubt: 0.01, ..row(&[0.2]) };
    let block = independent(&before, &[row(&[0.0])]).unwrap();
    // Its weight is 4e-4 / (4e-4 + 1e-2).
    let weight = 4e-4 / 1.04e-2;
    close(block.common.log, weight * 0.2 / (3.0 + weight));
}

#[test]
fn pairs_are_differences() {
    let before = [row(&[0.0, 1.0]), row(&[0.5, 1.5]), row(&[-0.2, 0.8])];
    let after: Vec<Row> = before.iter().map(|run| row(&[run.logs[0] + 0.1, run.logs[1] + 0.1])).collect();
    let block = paired(&before, &after).unwrap();
    close(block.common.log, -0.1);
    close(block.common.error, (4e-4 / 3.0 / 3.0f64).sqrt());
    assert!(block.common.p_value() < 0.001);
}

#[test]
fn another_sitting_is_less_known() {
    let sitting = |n: usize, of: &dyn Fn(usize) -> usize| -> Vec<Row> {
        (0..n).map(|i| Row { sitting: Some(of(i)), ..row(&[0.0]) }).collect()
    };
    let variance = |before: &[Row], after: &[Row]| independent(before, after).unwrap().common.error.powi(2);
    let same = variance(&sitting(4, &|_| 0), &sitting(2, &|_| 0));
    let day = 0.02f64.powi(2);
    close(variance(&sitting(4, &|_| 0), &sitting(2, &|_| 1)), same + 2.0 * day);
    // Four days are in the spread of the runs; the two of one sitting have a day in common.
    close(variance(&sitting(4, &|i| i), &sitting(2, &|_| 9)), same + day / 2.0);
    close(
        variance(&sitting(4, &|i| i), &sitting(1, &|_| 9)),
        variance(&sitting(4, &|_| 0), &sitting(1, &|_| 0)),
    );
    let unknown = [Row { sitting: None, ..row(&[0.0]) }];
    close(variance(&sitting(4, &|_| 0), &unknown), variance(&sitting(4, &|_| 0), &sitting(1, &|_| 0)));
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    assert_eq!(independent(&[], &[row(&[0.0])]), None);
    assert_eq!(independent(&[row(&[])], &[row(&[])]), None);
    assert_eq!(independent(&[row(&[0.0, 1.0]), row(&[0.0])], &[row(&[0.0, 1.0])]), None);
    assert_eq!(independent(&[row(&[f64::INFINITY])], &[row(&[0.0])]), None);
}
