//! Quantities as a person says them.

use std::time::Duration;

/// Three digits and the unit that fits; minutes from two on.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    // What rounds to 1000 of a unit is 1 of the next.
    match seconds {
        ..0.999_5e-6 => format!("{} ns", time.as_nanos()),
        ..0.999_5e-3 => format!("{} µs", digits(seconds * 1e6)),
        ..0.999_5 => format!("{} ms", digits(seconds * 1e3)),
        ..119.5 => format!("{} s", digits(seconds)),
        ..7170.0 => format!("{} min {} s", seconds.round() as u64 / 60, seconds.round() as u64 % 60),
        _ => {
            let minutes = (seconds / 60.0).round() as u64;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
    }
}

/// Bytes in binary units.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.2} {}", UNITS[unit]) }
}

/// A large number in thousands, millions or (American) billions.
pub(super) fn count(n: u64) -> String {
    match n {
        ..1_000 => n.to_string(),
        ..1_000_000 => format!("{:.2} k", n as f64 / 1e3),
        ..1_000_000_000 => format!("{:.2} M", n as f64 / 1e6),
        _ => format!("{:.2} B", n as f64 / 1e9),
    }
}

/// At least three digits.
fn digits(value: f64) -> String {
    let decimals = match value {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: f64) -> String {
        time(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn the_reference_latencies_have_their_true_units() {
        assert_eq!(of(2048.0 / 3713.75), "551 ms");
        assert_eq!(of(32.0 / 90.06), "355 ms");
        assert_eq!(of(1.0 / 90.06), "11.1 ms");
    }

    #[test]
    fn times_round_into_the_next_unit() {
        let shown = [41e-9, 0.9999e-6, 12.34e-6, 0.9999e-3, 0.999_96, 9.999, 75.0, 183.4, 7199.9].map(of);
        let expected = [
            "41 ns",
            "1.00 µs",
            "12.3 µs",
            "1.00 ms",
            "1.00 s",
            "10.0 s",
            "75.0 s",
            "3 min 3 s",
            "2 h 0 min",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn sizes_are_binary_and_counts_decimal() {
        assert_eq!(bytes(11_607_318_528), "10.81 GiB");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(count(20_914_757_184), "20.91 B");
        assert_eq!(count(131_072), "131.07 k");
    }
}
