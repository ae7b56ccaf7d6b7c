//! What the configurations of a campaign have in common and what not.

use std::{collections::BTreeMap, fs};

use super::costs::{Class, Effect};
use crate::record::{Header, settings};

/// The axes of a grid, as the configurations show them.
#[derive(Clone, Debug, Default)]
pub(super) struct Axes {
    /// By configuration: its values, with a factor of 1, and its position on numeric axes, as a logarithm.
    pub(super) lanes: Vec<Vec<(Effect, f64)>>,
    /// Names of the numeric axes.
    pub(super) slopes: Vec<String>,
    /// Whether the axis of each value is numeric.
    are_numeric: Vec<bool>,
}

/// The size of the model's file stands for an axis of its own.
const SIZE: &str = "size";

impl Axes {
    pub(super) fn of(headers: &[&Header]) -> Self {
        let mut axes = Self { lanes: vec![Vec::new(); headers.len()], ..Self::default() };
        let mut columns: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for (lane, settings) in settings(headers).into_iter().enumerate() {
            for setting in settings {
                let column = columns.entry(setting.name).or_insert_with(|| vec![None; headers.len()]);
                // The last name of a model is the most specific one.
                column[lane] = Some(setting.value);
            }
        }
        for (name, values) in &columns {
            axes.add(name, values);
        }
        let sizes: Vec<Option<String>> =
            headers.iter().map(|header| size(header).map(|n| n.to_string())).collect();
        if sizes.iter().any(|size| *size != sizes[0]) {
            axes.add_slope(SIZE, &sizes);
        }
        axes
    }

    fn add(&mut self, name: &str, values: &[Option<String>]) {
        let is_numeric = self.add_slope(name, values);
        let mut seen: Vec<&String> = Vec::new();
        let first = self.are_numeric.len();
        for (lane, value) in self.lanes.iter_mut().zip(values) {
            let Some(value) = value else { continue };
            let place = seen.iter().position(|other| *other == value).unwrap_or_else(|| {
                seen.push(value);
                seen.len() - 1
            });
            lane.push((Effect::Value(first + place), 1.0));
        }
        self.are_numeric.extend(seen.iter().map(|_| is_numeric));
    }

    /// If every value is a number over zero.
    fn add_slope(&mut self, name: &str, values: &[Option<String>]) -> bool {
        let log = |value: &Option<String>| {
            value.as_ref()?.parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite()).map(f64::ln)
        };
        let Some(logs) = values.iter().map(log).collect::<Option<Vec<f64>>>() else { return false };
        let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
        for (lane, log) in self.lanes.iter_mut().zip(logs) {
            lane.push((Effect::Slope(self.slopes.len()), log - mean));
        }
        self.slopes.push(name.to_owned());
        true
    }

    pub(super) fn is_numeric_value(&self, value: usize) -> bool {
        self.are_numeric.get(value).copied().unwrap_or(false)
    }

    /// Before anything is known: a model of twice the size takes twice as long, and threads share the work in part.
    pub(super) fn expected_slope(&self, slope: usize, class: Class) -> f64 {
        match &self.slopes[slope][..] {
            SIZE => 1.0,
            "t" if class != Class::Setup => -0.5,
            _ => 0.0,
        }
    }
}

/// Bytes of the model.
fn size(header: &Header) -> Option<u64> {
    let of_file = || fs::metadata(&header.model.filename).ok().map(|file| file.len());
    header.model.size_bytes.or_else(of_file).filter(|n| *n > 0)
}
