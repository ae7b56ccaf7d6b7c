use super::{Apart, Quantity, Samples, Serial};

/// Noise in a run that the interval of a single cell does not include.
///
/// The cells of a run share one machine. If some of them met a change of its speed, others may have met only one side of
/// it, which their own repetitions do not show.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Suspicion {
    /// Successive repetitions are more alike than by chance.
    pub serial: Option<Serial>,
    /// Repetitions fall into two groups: the index of the kind, and what was found among its cells.
    pub apart: Option<(usize, Apart)>,
}

impl Suspicion {
    /// A p value of [`Serial`] below this counts, over all tests of a run together.
    pub const SERIAL_ALPHA: f64 = 0.03;
    /// The same for [`Apart`], whose p value assumes noise with an ordinary tail; normal noise gives less than a tenth of it.
    pub const APART_ALPHA: f64 = 0.05;

    /// Tests the cells of a run, grouped by what they measure: prompts, generations, embeddings.
    ///
    /// Half of the error that [`Suspicion::SERIAL_ALPHA`] allows goes to all cells together, since most disturbances are
    /// the machine's, and half to the kinds, since some meet only one.
    pub fn of<Q: Quantity>(kinds: &[Vec<Samples<Q>>]) -> Self {
        let n_kinds = kinds.iter().filter(|cells| !cells.is_empty()).count() as f64;
        let raised =
            |serial: Serial, factor: f64| Serial { p_value: (serial.p_value * factor).min(1.0), ..serial };
        let all: Vec<Samples<Q>> = kinds.iter().flatten().cloned().collect();
        let together = Serial::of(&all).map(|serial| raised(serial, if n_kinds > 1.0 { 2.0 } else { 1.0 }));
        let alone = kinds.iter().filter(|_| n_kinds > 1.0).filter_map(|cells| Serial::of(cells));
        let serial = together
            .into_iter()
            .chain(alone.map(|serial| raised(serial, 2.0 * n_kinds)))
            .min_by(|a, b| a.p_value.total_cmp(&b.p_value))
            .filter(|serial| serial.is_alike(Self::SERIAL_ALPHA));
        let found = |(kind, cells): (usize, &Vec<Samples<Q>>)| {
            let apart = Apart::of(cells)?;
            Some((kind, Apart { p_value: (apart.p_value * n_kinds).min(1.0), ..apart }))
        };
        let apart = kinds
            .iter()
            .enumerate()
            .filter_map(found)
            .min_by(|(_, a), (_, b)| a.p_value.total_cmp(&b.p_value))
            .filter(|(_, apart)| apart.p_value < Self::APART_ALPHA);
        Self { serial, apart }
    }

    /// Whether anything was found.
    pub fn is_any(&self) -> bool {
        self.serial.is_some() || self.apart.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Ten repetitions around 100 ms in no order.
    fn steady(shift: u64) -> Samples<Duration> {
        let us = [3, 9, 0, 6, 2, 8, 1, 7, 4, 5].map(|i| Duration::from_micros(100_000 + 100 * i + shift));
        Samples::new(us).unwrap()
    }

    /// The same repetitions, ascending.
    fn climbing(shift: u64) -> Samples<Duration> {
        Samples::new((0..10).map(|i| Duration::from_micros(100_000 + 100 * i + shift))).unwrap()
    }

    #[test]
    fn steady_cells_raise_none() {
        assert_eq!(Suspicion::of(&[vec![steady(0), steady(5)], vec![steady(9)]]), Suspicion::default());
        assert_eq!(Suspicion::of::<Duration>(&[]), Suspicion::default());
        assert_eq!(Suspicion::of::<Duration>(&[Vec::new(), Vec::new()]), Suspicion::default());
    }

    #[test]
    fn one_kind_alone_is_found_among_steady_ones() {
        let kinds = [vec![climbing(0), climbing(7)], (0..8).map(steady).collect(), Vec::new()];
        let found = Suspicion::of(&kinds);
        assert!(found.serial.is_some_and(|serial| serial.correlation > 0.5), "{found:?}");
        assert_eq!(found.apart, None);
    }

    #[test]
    fn one_repetition_of_one_cell_casts_doubt_on_the_run() {
        let mut times = steady(0).values().to_vec();
        times[6] *= 2;
        let kinds = [vec![steady(0)], vec![steady(3), Samples::new(times).unwrap(), steady(5)]];
        let found = Suspicion::of(&kinds);
        assert!(
            found.apart.is_some_and(|(kind, apart)| (kind, apart.cell, apart.n_above) == (1, 1, 1)),
            "{found:?}"
        );
        assert!(found.is_any());
    }
}
