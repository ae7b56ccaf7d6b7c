//! How densely values lie: what a violin's outline shows.

/// Points of the outline.
const N_POINTS: usize = 64;
/// Bins that values are counted in first: the cost must not grow with their number.
const N_BINS: usize = 512;

/// The density of ascending values from the first to the last, as (value, share of the highest density).
///
/// A Gaussian kernel of Silverman's width ("Density Estimation for Statistics and Data Analysis", 1986, equation
/// 3.31), at least `resolution`: what is narrower cannot be seen.
pub(super) fn density(sorted: &[f64], resolution: f64) -> Vec<(f64, f64)> {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let (range, width) = (last - first, silverman(sorted).max(resolution).max(f64::MIN_POSITIVE));
    let mut bins = [0.0; N_BINS];
    for value in sorted {
        // 0 / 0 is NaN and becomes 0.
        let bin = ((value - first) / range * N_BINS as f64) as usize;
        bins[bin.min(N_BINS - 1)] += 1.0;
    }
    let at = |value: f64| {
        let kernel = |(bin, count): (usize, &f64)| {
            let centre = first + range * (bin as f64 + 0.5) / N_BINS as f64;
            count * (-0.5 * ((value - centre) / width).powi(2)).exp()
        };
        bins.iter().enumerate().map(kernel).sum::<f64>()
    };
    let values = (0..=N_POINTS).map(|i| first + range * i as f64 / N_POINTS as f64);
    let outline: Vec<(f64, f64)> = values.map(|value| (value, at(value))).collect();
    let highest = outline.iter().map(|(_, density)| *density).fold(f64::MIN_POSITIVE, f64::max);
    outline.into_iter().map(|(value, density)| (value, density / highest)).collect()
}

/// 0.9 · min(σ, IQR / 1.34) · n^(-1/5); by σ alone if the middle half of the values is one value.
fn silverman(sorted: &[f64]) -> f64 {
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let sigma = (sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    let quartile = |share: f64| sorted[((n - 1.0) * share).round() as usize];
    let middle = (quartile(0.75) - quartile(0.25)) / 1.34;
    let spread = if middle > 0.0 { sigma.min(middle) } else { sigma };
    0.9 * spread * n.powf(-0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_heaps_are_two_heaps() {
        let mut values: Vec<f64> = (0..100).map(|i| 10.0 + f64::from(i % 10) * 0.01).collect();
        values.extend((0..50).map(|i| 12.0 + f64::from(i % 10) * 0.01));
        values.sort_by(f64::total_cmp);
        let outline = density(&values, 0.01);
        assert_eq!((outline[0].0, outline[N_POINTS].0), (10.0, values[149]));
        let near = |value: f64| {
            let distance = |(at, _): &&(f64, f64)| (at - value).abs();
            outline.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap().1
        };
        assert!(near(10.05) > 0.9 && (0.2..0.8).contains(&near(12.05)) && near(11.0) < 0.2, "{outline:?}");
    }

    #[test]
    fn values_that_are_all_the_same_are_one_place() {
        let outline = density(&[3.0; 20], 0.1);
        assert!(outline.iter().all(|&(value, share)| value == 3.0 && share > 0.9), "{outline:?}");
        assert!(density(&[], 0.1).is_empty());
    }
}
