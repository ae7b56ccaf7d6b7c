//! Means and standard deviations of bare numbers, which every other file here uses.

/// The arithmetic mean; NaN of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the sample, in two passes; `None` for fewer than two values.
pub(crate) fn stddev(values: &[f64]) -> Option<f64> {
    let degrees_of_freedom = values.len().checked_sub(1).filter(|&df| df > 0)? as f64;
    let mean = mean(values);
    Some((values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / degrees_of_freedom).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_numpy() {
        // numpy.mean, numpy.std(..., ddof=1)
        let values = [15.0, 20.0, 35.0, 40.0, 50.0];
        assert_eq!(mean(&values), 32.0);
        assert!((stddev(&values).unwrap() - 14.404_860_290_887_933).abs() < 1e-12);
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(stddev(&[7.0]), None);
        assert_eq!(stddev(&[]), None);
        assert!(mean(&[]).is_nan());
    }
}
