/// The `p` quantile of ascending `sorted` values, 0 ≤ `p` ≤ 1; `None` if there are none or `p` is not a valid probability.
///
/// Linear interpolation between the order statistics next to (n - 1)·p, counted from 0: type 7 of Hyndman and Fan,
/// "Sample Quantiles in Statistical Packages" (1996), the default of R and NumPy.
pub(crate) fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    let position = sorted.len().checked_sub(1)? as f64 * p;
    let below = *sorted.get(position.floor() as usize)?;
    let above = *sorted.get(position.ceil() as usize)?;
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_numpy() {
        // numpy.quantile([15, 20, 35, 40, 50], [...], method="linear")
        let values = [15.0, 20.0, 35.0, 40.0, 50.0];
        let p = [0.0, 0.05, 0.25, 0.3, 0.4, 0.5, 0.9, 1.0];
        let expected = [15.0, 16.0, 20.0, 23.0, 29.0, 35.0, 46.0, 50.0];
        for (p, expected) in p.into_iter().zip(expected) {
            let got = quantile(&values, p).unwrap();
            assert!((got - expected).abs() < 1e-12, "p {p}: {got} instead of {expected}");
        }
    }

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!(quantile(&[1.0, 2.0, 10.0, 11.0], 0.5), Some(6.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0], 1.01), None);
        assert_eq!(quantile(&[1.0], f64::NAN), None);
    }
}
