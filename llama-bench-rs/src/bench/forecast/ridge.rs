//! Ridge regression: least squares that also pulls each coefficient towards its expected value.

/// The prior of a coefficient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) expected: f64,
    /// How hard it is pulled: the variance of the noise over that of the coefficient; 0 for not at all.
    pub(super) pull: f64,
}

/// An observation: the coefficients that its value is the sum of, each with its factor, and that value.
pub(super) type Row = (Vec<(usize, f64)>, f64);

/// The coefficients, by conjugate gradients: practically exact after as many rounds as there are coefficients, mostly after
/// a few.
pub(super) fn solve(rows: &[Row], priors: &[Prior]) -> Vec<f64> {
    const SMALL: f64 = 1e-18;
    let mut found: Vec<f64> = priors.iter().map(|prior| prior.expected).collect();
    let diagonal: Vec<f64> = {
        let mut sums: Vec<f64> = priors.iter().map(|prior| prior.pull).collect();
        rows.iter().flat_map(|(parts, _)| parts).for_each(|&(i, x)| sums[i] += x * x);
        sums.into_iter().map(|sum| sum.max(f64::MIN_POSITIVE)).collect()
    };
    let mut left = vec![0.0; priors.len()];
    for (parts, value) in rows {
        let off = value - parts.iter().map(|&(i, x)| x * found[i]).sum::<f64>();
        parts.iter().for_each(|&(i, x)| left[i] += x * off);
    }
    let scaled = |left: &[f64]| -> Vec<f64> { left.iter().zip(&diagonal).map(|(l, d)| l / d).collect() };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut direction = scaled(&left);
    let mut size = dot(&left, &direction);
    let small = SMALL * size;
    for _ in 0..2 * priors.len() {
        if size <= small {
            break;
        }
        let bent = product(rows, priors, &direction);
        let step = size / dot(&direction, &bent);
        if !step.is_finite() {
            break;
        }
        found.iter_mut().zip(&direction).for_each(|(found, d)| *found += step * d);
        left.iter_mut().zip(&bent).for_each(|(left, b)| *left -= step * b);
        let next = scaled(&left);
        let next_size = dot(&left, &next);
        let turn = next_size / size;
        direction.iter_mut().zip(next).for_each(|(d, next)| *d = next + turn * *d);
        size = next_size;
    }
    found
}

/// The matrix of the normal equations times a vector.
fn product(rows: &[Row], priors: &[Prior], vector: &[f64]) -> Vec<f64> {
    let mut product: Vec<f64> = vector.iter().zip(priors).map(|(v, prior)| v * prior.pull).collect();
    for (parts, _) in rows {
        let value: f64 = parts.iter().map(|&(i, x)| x * vector[i]).sum();
        parts.iter().for_each(|&(i, x)| product[i] += x * value);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} and {expected:?}");
    }

    #[test]
    fn what_is_not_pulled_is_least_squares() {
        let rows: Vec<Row> = [(0.0, 1.0), (1.0, 3.1), (2.0, 4.9), (3.0, 7.0)]
            .map(|(x, y)| (vec![(0, 1.0), (1, x)], y))
            .to_vec();
        let free = Prior { expected: 9.0, pull: 0.0 };
        // By hand: slope 9.9 / 5, intercept 4 - 1.5 * 1.98.
        close(&solve(&rows, &[free, free]), &[1.03, 1.98]);
    }

    #[test]
    fn what_is_pulled_lies_between_what_is_expected_and_what_was_seen() {
        let rows: Vec<Row> = vec![(vec![(0, 1.0)], 4.0); 3];
        close(&solve(&rows, &[Prior { expected: 0.0, pull: 1.0 }]), &[3.0]);
        // Nothing was seen of the second.
        let other = Prior { expected: -0.5, pull: 1.0 };
        close(&solve(&rows, &[Prior { expected: 0.0, pull: 0.0 }, other]), &[4.0, -0.5]);
        assert!(solve(&[], &[]).is_empty());
    }

    #[test]
    fn coefficients_that_stand_for_the_same_share_it_by_their_size() {
        // A slope that is nearly free, and an effect of each value that is hardly so.
        let prior = |pull| Prior { expected: 0.0, pull };
        let rows: Vec<Row> = (0..4)
            .map(|i| (vec![(0, 1.0), (1, f64::from(i)), (2 + i as usize, 1.0)], 2.0 * f64::from(i)))
            .collect();
        let found = solve(&rows, &[prior(0.0), prior(1e-6), prior(1.0), prior(1.0), prior(1.0), prior(1.0)]);
        assert!((found[1] - 2.0).abs() < 1e-5, "{found:?}");
    }
}
