//! An axis: a range, a scale and a few ticks with their labels.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// How values become distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    /// Logarithmic: both ends are above zero.
    Log,
}

/// One axis of a panel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    ticks: Vec<(f64, String)>,
}

/// More steps than this between ticks are clutter.
const MOST_STEPS: f64 = 6.0;
/// From this ratio of largest to smallest on the scale is logarithmic: on a linear one the small values lie on the axis.
const LOG_FROM: f64 = 25.0;

/// What speeds of one panel lie between: means, the bounds of their intervals, what is drawn beside them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    /// The fastest mean.
    pub fastest: f64,
    pub lowest: f64,
    pub highest: f64,
}

/// One scale for several panels of speeds: equal heights are equal shares of the fastest speed in each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SpeedScale {
    /// The ends over the fastest mean; the lower one is 0 unless the scale is logarithmic.
    low: f64,
    high: f64,
}

impl SpeedScale {
    /// From zero up, since a cut axis makes a fall look larger than it is; logarithmic if speeds of a panel are very far
    /// apart. There is some room above the highest value.
    pub fn of(panels: &[Extent]) -> Self {
        let most = |value: fn(&Extent) -> f64| panels.iter().map(value).fold(1.0, f64::max);
        let above = most(|panel| panel.highest / panel.fastest);
        let is_log = panels.iter().any(|panel| panel.lowest > 0.0 && panel.highest > LOG_FROM * panel.lowest);
        if !is_log {
            return Self { low: 0.0, high: above * 1.09 };
        }
        let known = panels.iter().filter(|panel| panel.lowest > 0.0);
        let below = known.map(|panel| panel.lowest / panel.fastest).fold(1.0, f64::min);
        Self { low: below * 0.8, high: above * 1.25 }
    }

    /// Whether it is logarithmic.
    pub fn is_log(&self) -> bool {
        self.low > 0.0
    }

    /// The axis of a panel with this fastest mean.
    pub fn axis(&self, fastest: f64) -> Axis {
        let (low, high) = (self.low * fastest, self.high * fastest);
        if self.is_log() {
            return Axis::log(low, high);
        }
        Axis::linear(0.0, high, multiples(nice_step(high / MOST_STEPS), 0.0, high))
    }
}

impl Axis {
    /// For times: zoomed in if they all lie close together, logarithmic if they are very far apart.
    pub fn zoomed(values: impl IntoIterator<Item = f64>, log: bool) -> Option<Self> {
        let (low, high) = extremes(values)?;
        if log && low > 0.0 {
            return Some(Self::log(low * 0.8, high * 1.25));
        }
        let room = ((high - low) * 0.1).max(high * 0.01);
        let low = if low < 0.4 * high { 0.0 } else { low - room };
        let high = high + room;
        let step = nice_step((high - low) / MOST_STEPS);
        Some(Self::linear(low, high, multiples(step, low, high)))
    }

    /// For depths: ticks at multiples of a power of two if the depths are such multiples too.
    pub fn depths(depths: &[u32]) -> Option<Self> {
        let (least, most) = (*depths.iter().min()?, *depths.iter().max()?);
        let ticks = if least == most {
            vec![f64::from(most)]
        } else if depths.iter().all(|depth| depth.is_multiple_of(128)) {
            let steps = (0..32).map(|k| f64::from(1u32 << k));
            let step = steps.into_iter().find(|step| f64::from(most) / step <= 4.0)?;
            multiples(step, 0.0, f64::from(most))
        } else {
            multiples(nice_step(f64::from(most) / 4.0).max(1.0), 0.0, f64::from(most))
        };
        let from = if least == most { f64::from(least) - 1.0 } else { 0.0 };
        let to = if least == most { f64::from(most) + 1.0 } else { f64::from(most) };
        let room = (to - from) * 0.035;
        let ticks = ticks.into_iter().map(|tick| (tick, format!("{tick:.0}"))).collect();
        Some(Self { low: from - room, high: to + room, scale: Scale::Linear, ticks })
    }

    /// For numbers of sequences: a doubling is as wide everywhere, and each number is a tick if there is room for it.
    pub fn levels(levels: &[u32]) -> Option<Self> {
        /// The share of the axis that a label needs.
        const ROOM: f64 = 0.07;
        let (least, most) = (f64::from(*levels.iter().min()?), f64::from(*levels.iter().max()?));
        // Half a doubling beside a single number.
        let room = if least < most { (most / least).powf(0.035) } else { 2f64.sqrt() };
        let mut axis = Self { low: least / room, high: most * room, scale: Scale::Log, ticks: Vec::new() };
        let mut levels = levels.to_vec();
        levels.sort_unstable();
        for level in levels.into_iter().map(f64::from) {
            let is_apart = |(tick, _): &(f64, String)| axis.fraction(level) - axis.fraction(*tick) >= ROOM;
            if axis.ticks.last().is_none_or(is_apart) {
                axis.ticks.push((level, format!("{level:.0}")));
            }
        }
        Some(axis)
    }

    /// One place for each name, at 0, 1, 2 and so on; every name is a tick, or every second, third, ….
    pub fn places(names: &[String], most: usize) -> Self {
        let every = names.len().div_ceil(most.max(1)).max(1);
        let ticks = names.iter().enumerate().step_by(every);
        Self {
            low: -0.5,
            high: names.len() as f64 - 0.5,
            scale: Scale::Linear,
            ticks: ticks.map(|(i, name)| (i as f64, name.clone())).collect(),
        }
    }

    fn linear(low: f64, high: f64, ticks: Vec<f64>) -> Self {
        let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(high);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let ticks = ticks.into_iter().map(|tick| (tick, format!("{tick:.decimals$}"))).collect();
        Self { low, high, scale: Scale::Linear, ticks }
    }

    fn log(low: f64, high: f64) -> Self {
        let decades = low.log10().floor() as i32..=high.log10().floor() as i32;
        let digits: &[f64] = if high / low > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let ticks = decades.flat_map(|decade| digits.iter().map(move |digit| (digit, decade)));
        let ticks = ticks.map(|(digit, decade)| (digit * 10f64.powi(decade), (-decade).max(0) as usize));
        let ticks = ticks.filter(|(tick, _)| (low..=high).contains(tick));
        let ticks = ticks.map(|(tick, decimals)| (tick, format!("{tick:.decimals$}"))).collect();
        Self { low, high, scale: Scale::Log, ticks }
    }

    /// The lower end.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The upper end.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Whether the scale is logarithmic.
    pub fn is_log(&self) -> bool {
        self.scale == Scale::Log
    }

    /// The ticks with their labels, ascending.
    pub fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    /// The value that lies this share of the axis above another.
    pub fn aside(&self, value: f64, share: f64) -> f64 {
        match self.scale {
            Scale::Linear => value + share * (self.high - self.low),
            Scale::Log => value * (self.high / self.low).powf(share),
        }
    }

    /// Where a value lies: 0 at the lower end, 1 at the upper; values beyond an end lie on it.
    pub fn fraction(&self, value: f64) -> f64 {
        let fraction = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value <= 0.0 => 0.0,
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        fraction.clamp(0.0, 1.0)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (f64::from(to - from) * self.fraction(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // No light lines between the ticks.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|&(tick, _)| tick).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == value);
        tick.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

fn extremes(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold(None, |found, value| match found {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// The smallest of 1, 2, 5, 10, 20, 50, … (and fractions) that is at least this.
fn nice_step(at_least: f64) -> f64 {
    let decade = 10f64.powf(at_least.max(f64::MIN_POSITIVE).log10().floor());
    let digits = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * decade >= at_least * 0.999_999);
    digits.unwrap_or(10.0) * decade
}

fn multiples(step: f64, low: f64, high: f64) -> Vec<f64> {
    let (first, last) = ((low / step).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|n| n as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks().iter().map(|(_, label)| label.as_str()).collect()
    }

    fn extent(fastest: f64, lowest: f64) -> Extent {
        Extent { fastest, lowest, highest: fastest }
    }

    #[test]
    fn speeds_start_at_zero_unless_they_are_worlds_apart() {
        let axis = SpeedScale::of(&[extent(3713.75, 2028.92)]).axis(3713.75);
        assert_eq!(labels(&axis), ["0", "1000", "2000", "3000", "4000"]);
        assert_eq!((axis.low(), axis.is_log()), (0.0, false));
        let axis = SpeedScale::of(&[extent(2000.0, 5.0)]).axis(2000.0);
        assert_eq!(labels(&axis), ["5", "10", "20", "50", "100", "200", "500", "1000", "2000"]);
        assert!(axis.is_log());
    }

    #[test]
    fn equal_shares_are_equal_heights_in_every_panel() {
        let wide = Extent { fastest: 90.0, lowest: 60.0, highest: 120.0 };
        for panels in [[extent(3700.0, 2000.0), wide], [extent(3700.0, 10.0), wide]] {
            let scale = SpeedScale::of(&panels);
            let [a, b] = panels.map(|panel| scale.axis(panel.fastest));
            assert_eq!(a.is_log(), b.is_log());
            for share in [0.1, 0.5, 0.9, 1.3] {
                let apart = a.fraction(3700.0 * share) - b.fraction(90.0 * share);
                assert!(apart.abs() < 1e-9, "{share}: {apart}");
            }
        }
    }

    #[test]
    fn times_close_together_are_zoomed_in_on() {
        let axis = Axis::zoomed([11.0, 16.6], false).unwrap();
        assert_eq!(labels(&axis), ["12", "14", "16"]);
        assert_eq!(labels(&Axis::zoomed([0.1, 0.9], false).unwrap()), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&Axis::zoomed([0.02, 0.2], true).unwrap()), ["0.02", "0.05", "0.1", "0.2"]);
        let same = Axis::zoomed([5.0, 5.0], false).unwrap();
        assert!((0.4..0.6).contains(&same.fraction(5.0)), "{same:?}");
    }

    #[test]
    fn depths_have_binary_ticks_where_they_are_binary() {
        let axis = Axis::depths(&[0, 4096, 8192, 16384, 32768]).unwrap();
        assert_eq!(labels(&axis), ["0", "8192", "16384", "24576", "32768"]);
        assert_eq!(labels(&Axis::depths(&[0, 1000, 5000]).unwrap()), ["0", "2000", "4000"]);
        assert_eq!(labels(&Axis::depths(&[0, 1]).unwrap()), ["0", "1"]);
        assert_eq!(labels(&Axis::depths(&[512]).unwrap()), ["512"]);
        assert_eq!(Axis::depths(&[0]).unwrap().fraction(0.0), 0.5);
    }

    #[test]
    fn doublings_of_sequences_are_equally_wide() {
        let axis = Axis::levels(&[1, 2, 4, 8, 16, 32]).unwrap();
        assert_eq!(labels(&axis), ["1", "2", "4", "8", "16", "32"]);
        let widths: Vec<f64> =
            axis.ticks().windows(2).map(|pair| axis.fraction(pair[1].0) - axis.fraction(pair[0].0)).collect();
        assert!(widths.iter().all(|width| (width - widths[0]).abs() < 1e-9 && *width > 0.1), "{widths:?}");
        // Every number has a point, and as many as fit have a label.
        let crowd: Vec<u32> = (1..=64).collect();
        let axis = Axis::levels(&crowd).unwrap();
        assert!(labels(&axis).starts_with(&["1", "2", "3"]) && labels(&axis).len() < 16, "{axis:?}");
        assert!((Axis::levels(&[8]).unwrap().fraction(8.0) - 0.5).abs() < 1e-9);
        assert_eq!(Axis::levels(&[]), None);
    }

    #[test]
    fn a_share_aside_is_as_wide_at_any_place() {
        for axis in [Axis::levels(&[1, 32]).unwrap(), Axis::depths(&[0, 4096]).unwrap()] {
            for value in [1.0, 3.0, 20.0] {
                let apart = axis.fraction(axis.aside(value, 0.1)) - axis.fraction(value);
                assert!((apart - 0.1).abs() < 1e-9, "{value}: {apart}");
            }
        }
    }

    #[test]
    fn names_thin_out_where_there_are_many() {
        let names: Vec<String> = (0..17).map(|i| i.to_string()).collect();
        assert_eq!(labels(&Axis::places(&names, 6)), ["0", "3", "6", "9", "12", "15"]);
        assert_eq!(labels(&Axis::places(&names[..2], 6)), ["0", "1"]);
    }

    #[test]
    fn what_lies_beyond_an_end_lies_on_it() {
        let axis = SpeedScale::of(&[extent(10.0, 10.0)]).axis(10.0);
        assert_eq!((axis.fraction(-5.0), axis.fraction(1e9)), (0.0, 1.0));
        assert_eq!(SpeedScale::of(&[extent(1000.0, 1.0)]).axis(1000.0).fraction(0.0), 0.0);
    }
}
