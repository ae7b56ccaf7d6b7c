use crate::units::Probability;

/// The p values of many tests at once, raised so that all of them together keep the chance of one false alarm that
/// each would have alone: Holm's step-down correction (1979), in the order given.
pub fn holm(p_values: &[Probability]) -> Vec<Probability> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].get().total_cmp(&p_values[b].get()));
    let mut adjusted = p_values.to_vec();
    let mut floor = 0.0f64;
    for (rank, index) in order.into_iter().enumerate() {
        floor = floor.max((p_values.len() - rank) as f64 * p_values[index].get()).min(1.0);
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
    fn a_probability_stays_one() {
        assert_eq!(adjusted(&[0.9, 0.8]), [1.0, 1.0]);
        assert_eq!(adjusted(&[0.2]), [0.2]);
        assert!(adjusted(&[]).is_empty());
    }
}
