use std::{collections::BTreeMap, fmt, hash::Hasher};

use serde::{Deserialize, Serialize};

use crate::{
    record::{
        Config, DeviceInfo, Header, Host, ModelInfo, of_known,
        parameters::{PARAMETERS, Parameter},
    },
    units::words,
};

/// What two reports must have in common to be comparable: machine, model and configuration, as text by field name. A field
/// that a report lacks (llama-bench's files lack some) is missing here too.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Key {
    /// Processor, GPUs, backends and devices.
    pub machine: BTreeMap<String, String>,
    /// Architecture, size and type of the model; not its path.
    pub model: BTreeMap<String, String>,
    /// Every parameter that changes speed: not the seed, the number of repetitions, the stopping rule or the calibration.
    pub config: BTreeMap<String, String>,
}

/// The part of a [`Key`] that a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say all there is to say
pub enum Part {
    Machine,
    Model,
    Config,
}

/// A field in which two keys differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The part that the field belongs to.
    pub part: Part,
    /// The field.
    pub field: String,
    /// Its value in the baseline.
    pub baseline: String,
    /// Its value now.
    pub now: String,
}

impl Difference {
    /// Whether the other side is another machine, not this one with other devices or settings: its processor is another.
    pub fn is_of_another_machine(&self) -> bool {
        self.part == Part::Machine && self.field == "cpu_info"
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Machine => "machine",
            Part::Model => "model",
            Part::Config => "configuration",
        };
        write!(f, "{part}, {}: {} in the baseline, {} now", self.field, self.baseline, self.now)
    }
}

impl Key {
    /// The key of a run.
    pub fn of(header: &Header) -> Self {
        Self { machine: machine(&header.host), model: model(&header.model), config: config(&header.config) }
    }

    /// A short name of the key, equal on every machine and in every version of this crate.
    pub fn fingerprint(&self) -> String {
        let mut hasher = fnv::FnvHasher::default();
        for (part, fields) in [("machine", &self.machine), ("model", &self.model), ("config", &self.config)] {
            for (field, value) in fields {
                // Text never holds a byte of 0xff: no two keys give the same bytes.
                for text in [part, field, value] {
                    hasher.write(text.as_bytes());
                    hasher.write(&[0xff]);
                }
            }
        }
        format!("{:016x}", hasher.finish())
    }

    /// Where a key of `now` differs from this one. A field that only one of them has is not a difference.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let parts = [
            (Part::Machine, &self.machine, &now.machine),
            (Part::Model, &self.model, &now.model),
            (Part::Config, &self.config, &now.config),
        ];
        let of_part = |(part, before, now): (Part, &BTreeMap<String, String>, &BTreeMap<String, String>)| {
            let pairs = before.iter().map(|(field, value)| (field, Some(value), now.get(field)));
            let difference = |(field, baseline, now): (&String, &String, &String)| {
                let (field, baseline, now) = (field.clone(), baseline.clone(), now.clone());
                Difference { part, field, baseline, now }
            };
            of_known(pairs).map(difference).collect::<Vec<_>>()
        };
        parts.into_iter().flat_map(of_part).collect()
    }
}

/// The fields that are known.
fn known<const N: usize>(fields: [(&str, String); N]) -> BTreeMap<String, String> {
    fields.into_iter().filter(|(_, v)| !v.is_empty()).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The value as text; empty if unknown.
fn told<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn machine(host: &Host) -> BTreeMap<String, String> {
    // Memory sizes vary with the driver and the day, and the free part always does. Of a device on another machine its size
    // is all that distinguishes it from another one behind the same address.
    let memory = |device: &DeviceInfo| {
        let bytes = device.memory_total_bytes.filter(|_| device.server.is_some());
        bytes.map_or_else(String::new, |bytes| format!(", {}", words::bytes(bytes.div_ceil(1 << 30) << 30)))
    };
    let device = |d: &DeviceInfo| format!("{}: {}{}", d.name, d.description, memory(d));
    let devices: Vec<String> = host.devices.iter().map(device).collect();
    known([
        ("cpu_info", host.cpu_info.clone()),
        ("gpu_info", if host.devices.is_empty() { host.gpu_info.clone() } else { or_none(&host.gpu_info) }),
        ("backends", host.backends.clone()),
        ("devices", devices.join("; ")),
    ])
}

/// An empty list that is known to be empty.
fn or_none(list: &str) -> String {
    if list.is_empty() { "none".into() } else { list.into() }
}

fn model(model: &ModelInfo) -> BTreeMap<String, String> {
    known([
        ("architecture", model.architecture.clone()),
        ("description", model.description.clone()),
        ("size_bytes", told(model.size_bytes)),
        ("n_params", told(model.n_params)),
        ("n_layer", told(model.n_layer)),
        ("n_vocab", told(model.n_vocab)),
    ])
}

fn config(config: &Config) -> BTreeMap<String, String> {
    let keyed = |parameter: &Parameter| Some((parameter.key()?.to_owned(), parameter.key_word(config)?));
    PARAMETERS.iter().filter_map(keyed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let mut header = Header::default();
        header.host.cpu_info = "EPYC".into();
        header.host.devices = vec![DeviceInfo { name: "CPU".into(), ..DeviceInfo::default() }];
        header.config.n_threads = Some(4);
        header
    }

    #[test]
    fn a_fingerprint_never_changes() {
        let mut key = Key::default();
        // FNV-1a of an empty input: its offset basis.
        assert_eq!(key.fingerprint(), "cbf29ce484222325");
        key.machine.insert("cpu_info".into(), "EPYC".into());
        assert_eq!(key.fingerprint(), fnv_of(b"machine\xffcpu_info\xffEPYC\xff"));
        key.config.insert("n_threads".into(), "4".into());
        assert_eq!(key.fingerprint(), fnv_of(b"machine\xffcpu_info\xffEPYC\xffconfig\xffn_threads\xff4\xff"));
    }

    /// The definition, from draft-eastlake-fnv.
    fn fnv_of(bytes: &[u8]) -> String {
        let hash = bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        format!("{hash:016x}")
    }

    #[test]
    fn what_does_not_change_speed_is_no_part() {
        let mut other = header();
        other.build.commit = "another".into();
        other.model.filename = "/elsewhere/model.gguf".into();
        other.config.seed = Some(7);
        other.config.n_reps = Some(100);
        other.host.devices[0].memory_free_bytes = Some(1);
        other.timing.started_at = "later".into();
        assert_eq!(Key::of(&header()), Key::of(&other));
    }

    #[test]
    fn a_device_of_another_machine_is_known_by_its_server_and_its_memory() {
        let remote = |server: &str, gib: u64| {
            let mut header = header();
            header.host.devices.push(DeviceInfo {
                name: "RPC0".into(),
                description: server.into(),
                server: Some(server.into()),
                memory_total_bytes: Some((gib << 30) - 5),
                memory_free_bytes: Some(gib),
                ..DeviceInfo::default()
            });
            Key::of(&header)
        };
        let key = remote("a:1", 24);
        assert!(key.machine["devices"].ends_with("RPC0: a:1, 24.00 GiB"), "{key:?}");
        assert_ne!(key.fingerprint(), remote("a:2", 24).fingerprint());
        assert_ne!(key.fingerprint(), remote("a:1", 80).fingerprint());
        assert_ne!(key.fingerprint(), Key::of(&header()).fingerprint());
    }

    #[test]
    fn what_changes_speed_is_named() {
        let mut other = header();
        other.config.n_threads = Some(8);
        other.host.cpu_info = "Xeon".into();
        other.host.gpu_info = "GB10".into();
        let differences = Key::of(&header()).differences(&Key::of(&other));
        let lines: Vec<_> = differences.iter().map(Difference::to_string).collect();
        assert_eq!(
            lines,
            [
                "machine, cpu_info: EPYC in the baseline, Xeon now",
                "machine, gpu_info: none in the baseline, GB10 now",
                "configuration, n_threads: 4 in the baseline, 8 now",
            ]
        );
        assert_ne!(Key::of(&header()).fingerprint(), Key::of(&other).fingerprint());
    }

    #[test]
    fn what_is_not_told_is_no_difference() {
        let mut theirs = header();
        theirs.host.devices.clear();
        theirs.model.architecture.clear();
        let mut ours = header();
        ours.model.architecture = "llama".into();
        assert!(Key::of(&ours).differences(&Key::of(&theirs)).is_empty());
        assert!(Key::of(&theirs).differences(&Key::of(&ours)).is_empty());
    }
}
