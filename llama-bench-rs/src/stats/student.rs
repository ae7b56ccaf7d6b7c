//! Student's t distribution: quantiles and p values.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::Confidence;

/// The two-sided quantile of Student's t: the middle `confidence` of the distribution lies within ± this; `None`
/// unless there is a positive number of degrees of freedom (a fraction in Welch's approximation).
pub(crate) fn t_quantile(degrees_of_freedom: f64, confidence: Confidence) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?;
    Some(t.inverse_cdf(0.5 + confidence.get() / 2.0))
}

/// The two-sided quantile of the standard normal distribution: that of Student's t with infinite degrees of freedom.
pub(crate) fn z_quantile(confidence: Confidence) -> f64 {
    Normal::standard().inverse_cdf(0.5 + confidence.get() / 2.0)
}

/// The two-sided p value: how often chance alone gives a t value at least this far from zero. `None` unless there is a
/// positive number of degrees of freedom.
pub(crate) fn two_sided_p(t: f64, degrees_of_freedom: f64) -> Option<f64> {
    Some(2.0 * StudentsT::new(0.0, 1.0, degrees_of_freedom).ok()?.sf(t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_quantiles_agree_with_the_published_table() {
        // Two-sided 95 % and 99 % columns of any printed table of Student's t.
        let table = [
            (1, 12.706, 63.657),
            (2, 4.303, 9.925),
            (4, 2.776, 4.604),
            (9, 2.262, 3.250),
            (29, 2.045, 2.756),
            (100, 1.984, 2.626),
        ];
        for (df, p95, p99) in table {
            let got = t_quantile(f64::from(df), Confidence::P95).unwrap();
            assert!((got - p95).abs() < 6e-4, "df {df}: {got} instead of {p95}");
            let got = t_quantile(f64::from(df), Confidence::P99).unwrap();
            assert!((got - p99).abs() < 6e-4, "df {df}: {got} instead of {p99}");
        }
        assert_eq!(t_quantile(0.0, Confidence::P95), None);
        assert!((z_quantile(Confidence::P95) - 1.959_964).abs() < 1e-6);
    }

    #[test]
    fn p_values_agree_with_the_published_examples() {
        // R's documentation of t.test: Student's sleep data (1908), Welch's test and the paired one.
        assert!((two_sided_p(-1.8608, 17.776).unwrap() - 0.07939).abs() < 1.5e-5);
        assert!((two_sided_p(4.0621, 9.0).unwrap() - 0.002833).abs() < 1e-6);
        assert_eq!(two_sided_p(0.0, 5.0), Some(1.0));
        assert_eq!(two_sided_p(1.0, 0.0), None);
    }
}
