//! The size of a simulation in a test: thousands of trials take minutes, and `make simulations` runs them.

/// Whether full simulations are asked for, as for the figures in the documentation (`LLAMA_BENCH_SIMULATIONS=full`).
pub(crate) fn is_full() -> bool {
    std::env::var("LLAMA_BENCH_SIMULATIONS").is_ok_and(|value| value == "full")
}

/// This many trials, or a tenth of them in an ordinary `cargo test`.
pub(crate) fn trials(whole: usize) -> usize {
    if is_full() { whole } else { (whole / 10).max(1) }
}

/// Three standard errors of the observed share of something with the probability `share` in so many trials.
pub(crate) fn chance(share: f64, n_trials: usize) -> f64 {
    3.0 * (share * (1.0 - share) / n_trials as f64).sqrt()
}

#[test]
fn fewer_trials_have_more_chance() {
    assert!((chance(0.05, 300) - 0.038).abs() < 0.001);
    assert!(chance(0.05, 30) > chance(0.05, 300));
}
