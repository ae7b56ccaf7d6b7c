//! A report is the array of its rows, in any format that serde writes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use serde_json::{Map, Value};

use super::{Flat, Place, assembler::Assembler};
use crate::record::Report;

impl Serialize for Report {
    /// As a sequence of [`Flat`] rows, one per cell.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.cells().count()))?;
        for (n, run) in (0..).zip(&self.runs) {
            for (i, cell) in run.cells.iter().enumerate() {
                let mut row = Flat::from((&run.header, cell));
                row.run = Some(n);
                if i == 0 {
                    row.set_curve(&run.curve);
                }
                rows.serialize_element(&row)?;
            }
        }
        rows.end()
    }
}

impl<'de> Deserialize<'de> for Report {
    /// From a sequence of [`Flat`] rows; a row that cannot be part of a report is an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut assembler = Assembler::default();
        for (i, row) in Vec::<Map<String, Value>>::deserialize(deserializer)?.into_iter().enumerate() {
            assembler.add(Place::Row(i + 1), row).map_err(de::Error::custom)?;
        }
        assembler.finish_strict().map_err(de::Error::custom)
    }
}
