//! The value of a parameter in a row.

use std::time::Duration;

use super::from_record::ns;
use crate::{record::FlashAttnSetting, report::error::Problem};

/// A value of a configuration that a row holds as `Row`.
pub(super) trait InRow<Row>: Sized {
    fn to_row(&self) -> Row;

    /// # Errors
    /// The field of this name holds what such a value cannot be.
    fn from_row(name: &'static str, row: &Row) -> Result<Self, Problem>;
}

impl<T: Clone> InRow<T> for T {
    fn to_row(&self) -> T {
        self.clone()
    }

    fn from_row(_: &'static str, row: &T) -> Result<T, Problem> {
        Ok(row.clone())
    }
}

impl InRow<Option<i32>> for Option<FlashAttnSetting> {
    fn to_row(&self) -> Option<i32> {
        self.map(|asked| match asked {
            FlashAttnSetting::Auto => -1,
            FlashAttnSetting::Off => 0,
            FlashAttnSetting::On => 1,
        })
    }

    fn from_row(name: &'static str, row: &Option<i32>) -> Result<Self, Problem> {
        match row {
            None => Ok(None),
            Some(-1) => Ok(Some(FlashAttnSetting::Auto)),
            Some(0) => Ok(Some(FlashAttnSetting::Off)),
            Some(1) => Ok(Some(FlashAttnSetting::On)),
            Some(other) => Err(Problem::new(name, other, "-1 (auto), 0 (off) or 1 (on)")),
        }
    }
}

impl InRow<Option<i32>> for Option<bool> {
    fn to_row(&self) -> Option<i32> {
        self.map(i32::from)
    }

    fn from_row(_: &'static str, row: &Option<i32>) -> Result<Self, Problem> {
        Ok(row.map(|number| number != 0))
    }
}

impl InRow<Option<u64>> for Option<Duration> {
    fn to_row(&self) -> Option<u64> {
        self.map(ns)
    }

    fn from_row(_: &'static str, row: &Option<u64>) -> Result<Self, Problem> {
        Ok(row.map(Duration::from_nanos))
    }
}
