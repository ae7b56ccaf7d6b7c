use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::units::words::{self, digits};

/// What one repetition of a cell computes and moves, counted from the graphs that llama.cpp builds for it. Independent of
/// time: equal on every run of the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CellWork {
    /// Graphs that are computed: one for each physical batch of a prompt, one for each token of a generation.
    pub n_graphs: u32,
    /// By device, in the order of their names.
    pub devices: Vec<DeviceWork>,
    /// Operations whose arithmetic is not counted, with how many there are; empty if all are. The bytes that they move are
    /// counted.
    pub uncounted: BTreeMap<String, u64>,
}

/// The part of a [`CellWork`] that one device computes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeviceWork {
    /// Its name in llama.cpp, such as `CUDA0`.
    pub device: String,
    /// Bytes of weights that are read, each once per graph. Of the experts of a layer, those that the tokens reach; of
    /// several tokens, as many as uniform routing reaches on average. Of the embeddings, the rows of the tokens.
    pub weight_bytes: u64,
    /// Bytes of keys and values that are read: each cell that a token of the graph attends to, once per graph.
    pub kv_read_bytes: u64,
    /// Bytes of keys and values that are written.
    pub kv_write_bytes: u64,
    /// Bytes of recurrent states that are read and written.
    pub state_bytes: u64,
    /// Bytes of results too large for any cache, each written once and read once.
    pub activation_bytes: u64,
    /// Bytes that are copied to it from other devices.
    pub copied_bytes: u64,
    /// Arithmetic, by operation and type.
    pub products: Vec<Product>,
}

/// Arithmetic of one operation on one type of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Product {
    /// ggml's name of the operation, such as `MUL_MAT`.
    pub op: String,
    /// Type of its weights, or of keys, such as `q4_K`.
    pub data_type: String,
    /// Nodes of all graphs together.
    pub n: u64,
    /// Floating-point operations: a multiplication and an addition count as two. Of attention, only pairs of a token and a
    /// cell that it attends to.
    pub flops: u64,
}

impl CellWork {
    /// The part of this device; `None` if it computes nothing.
    pub fn of(&self, device: &str) -> Option<&DeviceWork> {
        self.devices.iter().find(|work| work.device == device)
    }
}

impl DeviceWork {
    /// All bytes that pass the memory of the device, in bytes.
    pub fn bytes(&self) -> u64 {
        let parts = [
            self.weight_bytes,
            self.kv_read_bytes,
            self.kv_write_bytes,
            self.state_bytes,
            self.activation_bytes,
            self.copied_bytes,
        ];
        // A file may hold any numbers.
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// All arithmetic, in floating-point operations.
    pub fn flops(&self) -> u64 {
        self.products.iter().fold(0_u64, |sum, product| sum.saturating_add(product.flops))
    }
}

impl fmt::Display for CellWork {
    /// The sums over all devices: `4.20 GiB of weights, 512.00 MiB of keys and values, 7.90 TFLOP`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&DeviceWork) -> u64| self.devices.iter().map(of).fold(0, u64::saturating_add);
        write!(f, "{} of weights", words::bytes(sum(|work| work.weight_bytes)))?;
        let parts = [
            ("keys and values", sum(|work| work.kv_read_bytes.saturating_add(work.kv_write_bytes))),
            ("recurrent states", sum(|work| work.state_bytes)),
            ("large results", sum(|work| work.activation_bytes)),
            ("copies between devices", sum(|work| work.copied_bytes)),
        ];
        for (name, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes > 0) {
            write!(f, ", {} of {name}", words::bytes(bytes))?;
        }
        write!(f, ", {}", flop(sum(DeviceWork::flops)))?;
        if self.uncounted.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.uncounted.keys().map(String::as_str).collect();
        write!(f, " without {}", names.join(" and "))
    }
}

/// Arithmetic with three significant digits: `7.90 TFLOP`.
fn flop(n: u64) -> String {
    let (size, unit) = match n {
        0..1_000_000_000 => (1e6, "MFLOP"),
        1_000_000_000..1_000_000_000_000 => (1e9, "GFLOP"),
        _ => (1e12, "TFLOP"),
    };
    format!("{} {unit}", digits(n as f64 / size, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_told_and_what_is_missing_from_them() {
        let device = DeviceWork {
            device: "CUDA0".into(),
            weight_bytes: 3 << 30,
            kv_read_bytes: 3 << 20,
            kv_write_bytes: 1 << 20,
            products: vec![Product {
                op: "MUL_MAT".into(),
                data_type: "f16".into(),
                n: 1,
                flops: 7_900_000_000,
            }],
            ..DeviceWork::default()
        };
        let mut work = CellWork { n_graphs: 1, devices: vec![device.clone()], ..CellWork::default() };
        assert_eq!(work.to_string(), "3.00 GiB of weights, 4.00 MiB of keys and values, 7.90 GFLOP");
        work.devices.push(DeviceWork { device: "CUDA1".into(), state_bytes: 2 << 20, ..device });
        work.uncounted.insert("GATED_DELTA_NET".into(), 3);
        assert_eq!(
            work.to_string(),
            "6.00 GiB of weights, 8.00 MiB of keys and values, 2.00 MiB of recurrent states, 15.8 GFLOP without \
             GATED_DELTA_NET"
        );
    }
}
