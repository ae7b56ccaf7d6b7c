//! How much of a simulation a test makes: thousands of measurements take minutes, and `make simulations` makes them.

/// Whether the simulations are asked for whole, as the documentation's figures are (`LLAMA_BENCH_SIMULATIONS=full`).
pub(crate) fn is_full() -> bool {
    std::env::var("LLAMA_BENCH_SIMULATIONS").is_ok_and(|value| value == "full")
}

/// So many trials, or a tenth of them in an ordinary `cargo test`.
pub(crate) fn trials(whole: usize) -> usize {
    if is_full() { whole } else { (whole / 10).max(1) }
}

/// Three standard errors of the share of so many trials in which something happens whose probability is `share`.
pub(crate) fn chance(share: f64, n_trials: usize) -> f64 {
    3.0 * (share * (1.0 - share) / n_trials as f64).sqrt()
}

#[test]
fn fewer_trials_have_more_chance() {
    assert!((chance(0.05, 300) - 0.038).abs() < 0.001);
    assert!(chance(0.05, 30) > chance(0.05, 300));
}
