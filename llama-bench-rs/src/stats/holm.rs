use crate::units::Probability;

/// Corrects the p values of many tests: the chance of any false alarm among all of them is then that of one test (Holm's
/// step-down correction, 1979). In the order given.
pub(crate) fn holm(p_values: &[Probability]) -> Vec<Probability> {
    weighted_holm(p_values, &vec![1.0; p_values.len()])
}

/// The same with weights over zero: a test that counts more is corrected less, at the cost of the others.
pub(crate) fn weighted_holm(p_values: &[Probability], weights: &[f64]) -> Vec<Probability> {
    let weighted = |i: usize| p_values[i].get() / weights[i];
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| weighted(a).total_cmp(&weighted(b)));
    let mut adjusted = p_values.to_vec();
    let mut floor = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        let left: f64 = order[rank..].iter().map(|&i| weights[i]).sum();
        floor = floor.max(left * weighted(index)).min(1.0);
        adjusted[index] = Probability::new(floor).unwrap_or(p_values[index]);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adjusted(p_values: &[f64]) -> Vec<f64> {
        let p_values: Vec<Probability> = p_values.iter().map(|&p| Probability::new(p).unwrap()).collect();
        holm(&p_values).into_iter().map(Probability::get).collect()
    }

    #[test]
    fn agrees_with_r() {
        // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        for (got, expected) in adjusted(&[0.01, 0.04, 0.03, 0.005]).into_iter().zip([0.03, 0.06, 0.06, 0.02])
        {
            assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
        }
    }

    #[test]
    fn weights_shift_the_correction() {
        let p = [0.01, 0.01, 0.04].map(|p| Probability::new(p).unwrap());
        let got: Vec<f64> = weighted_holm(&p, &[0.5, 0.25, 0.25]).into_iter().map(Probability::get).collect();
        // 0.01 / 0.5 is the smallest and has all of the weight beside it, then 0.01 * 0.5 / 0.25, then 0.04 alone.
        for (got, expected) in got.iter().zip([0.02, 0.02, 0.04]) {
            assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
        }
    }

    #[test]
    fn a_probability_stays_one() {
        assert_eq!(adjusted(&[0.9, 0.8]), [1.0, 1.0]);
        assert_eq!(adjusted(&[0.2]), [0.2]);
        assert!(adjusted(&[]).is_empty());
    }
}
