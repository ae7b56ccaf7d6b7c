use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::GpuConditions;

/// The most that a device of this machine does, measured with ggml's own kernels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Ceilings {
    /// Its name in llama.cpp, such as `CUDA0`.
    pub device: String,
    /// Threads that computed, on a CPU; `None` for others.
    pub n_threads: Option<u32>,
    /// When they were measured, in UTC (RFC 3339, whole seconds): before the run if they are of the cache.
    pub measured_at: String,
    /// Memory bandwidths, copies and reads, and arithmetic by type. Rates of kinds that only a newer version knows are left
    /// out on reading.
    #[serde(deserialize_with = "known_rates")]
    pub rates: Vec<Ceiling>,
    /// What a GPU did meanwhile: clocks, throttling. `None` if unknown.
    pub conditions: Option<GpuConditions>,
}

/// One ceiling of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Ceiling {
    /// What was measured.
    pub kind: CeilingKind,
    /// Type of the data, such as `q4_K`; of a product, of the matrix, which is multiplied by one of f32.
    pub data_type: String,
    /// Columns of the other factor of a product, if it was measured with as many as a physical batch has tokens; `None` for
    /// a product large in every direction.
    pub n_columns: Option<u32>,
    /// Bytes of the matrix that is read again and again, if it is one that a cache may hold; `None` for one that is larger
    /// than the caches.
    pub matrix_bytes: Option<u64>,
    /// Bytes per second of a memory ceiling, floating-point operations per second of products: the fastest repetition.
    pub per_second: f64,
    /// Lower end of the range that repeated measurements show.
    pub lower: f64,
    /// Upper end of that range.
    pub upper: f64,
    /// Repetitions.
    pub n: u32,
    /// Whether other programs disturbed the measurement: the device does at least this, and how much more is unknown, so the
    /// upper end of its range is too. `None` if the system does not count it, and in older files.
    pub disturbed: Option<bool>,
}

impl Ceiling {
    /// What it is the ceiling of.
    pub(crate) fn subject(&self) -> (CeilingKind, &str, Option<u32>, Option<u64>) {
        (self.kind, &self.data_type, self.n_columns, self.matrix_bytes)
    }

    /// Whether other programs are known to have disturbed it.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.disturbed == Some(true)
    }
}

/// What a [`Ceiling`] is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CeilingKind {
    /// A large copy within the device: bytes read and bytes written.
    #[default]
    Copy,
    /// A large read: a matrix times one vector, whose bytes are nearly all of the matrix.
    Read,
    /// A large matrix product.
    Product,
}

/// The rates of a file whose kinds this version knows.
fn known_rates<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Ceiling>, D::Error> {
    let all = Vec::<Entry>::deserialize(from)?;
    let known = |entry: Entry| match entry {
        Entry::Known(rate) => Some(rate),
        Entry::Newer { .. } => None,
    };
    Ok(all.into_iter().filter_map(known).collect())
}

/// A rate as a file may have it. What is of a known kind and malformed is neither.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a rate is not a ceiling of a device (kind, data_type, per_second, lower, upper, n)"
)]
enum Entry {
    Known(Ceiling),
    Newer {
        #[serde(rename = "kind", deserialize_with = "newer_kind")]
        _kind: (),
    },
}

/// Any text that is not a kind of this version.
fn newer_kind<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    let name = String::deserialize(from)?;
    let of_name = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&name);
    match CeilingKind::deserialize(of_name) {
        Ok(_) => Err(D::Error::custom("this version knows it")),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json, to_value};

    use super::*;

    fn rate(kind: &str) -> Value {
        json!({
            "kind": kind, "data_type": "f16", "n_columns": null, "matrix_bytes": null,
            "per_second": 0.1, "lower": 0.05, "upper": 0.3, "n": 5, "disturbed": true,
        })
    }

    fn device(rates: Vec<Value>) -> Value {
        json!({ "device": "CUDA0", "n_threads": null, "measured_at": "", "rates": rates, "conditions": null })
    }

    #[test]
    fn kinds_of_newer_versions_are_left_out() {
        let mut newer = rate("sparse_product");
        newer["per_second"] = json!("many");
        let read: Ceilings = from_value(device(vec![newer, rate("product")])).unwrap();
        let kinds: Vec<CeilingKind> = read.rates.iter().map(|rate| rate.kind).collect();
        assert_eq!(kinds, [CeilingKind::Product]);
    }

    #[test]
    fn known_kinds_come_back_unchanged() {
        let file = device(["copy", "read", "product"].map(rate).to_vec());
        let text = serde_json::to_string(&file).unwrap();
        let read: Ceilings = serde_json::from_str(&text).unwrap();
        assert_eq!(to_value(read).unwrap(), to_value(serde_json::from_str::<Value>(&text).unwrap()).unwrap());
        assert_eq!(from_value::<Ceilings>(json!({})).unwrap(), Ceilings::default());
    }

    #[test]
    fn a_malformed_rate_of_a_known_kind_is_refused() {
        for (field, value) in [("per_second", json!("many")), ("kind", json!(3)), ("n", json!(-1))] {
            let mut wrong = rate("product");
            wrong[field] = value;
            let error = from_value::<Ceilings>(device(vec![wrong])).unwrap_err().to_string();
            assert!(error.contains("not a ceiling of a device"), "{field}: {error}");
        }
    }
}
