use std::fmt;

use serde_json::{Map, Value};

use super::{
    DeviceInfo, Header,
    parameters::{Flag, PARAMETERS, differing},
};

/// A fact in which two runs differ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Its place in the header, such as `config.n_ubatch`.
    pub field: String,
    /// Its value on one side.
    pub one: Value,
    /// Its value on the other side.
    pub other: Value,
}

impl Difference {
    /// The same with the flag of a command line in place of the field, if one asks for it: `-r is 10 and was 20`.
    pub(crate) fn in_flags(&self) -> String {
        let field = self.field.strip_prefix("config.");
        let parameter = PARAMETERS.iter().find(|parameter| Some(parameter.field) == field);
        match parameter.map(|parameter| parameter.flag) {
            Some(Flag::Value(flag) | Flag::Unless(flag, _) | Flag::Repetitions(flag)) => {
                format!("{flag} is {} and was {}", self.one, self.other)
            }
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} and was {}", self.field, self.one, self.other)
    }
}

impl Header {
    /// Differences in what is known before a run begins: build, machine, model and configuration. Free memory, loading and
    /// timing change from run to run and are left out. A fact that only one header has is not a difference.
    ///
    /// ```
    /// use llama_bench_rs::record::Header;
    ///
    /// let [mut one, mut other] = [Header::default(), Header::default()];
    /// (one.config.n_ubatch, other.config.n_ubatch) = (Some(512), Some(256));
    /// assert_eq!(one.differences(&other)[0].to_string(), "config.n_ubatch is 512 and was 256");
    /// ```
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let facts = |header: &Self| {
            let mut host = header.host.clone();
            host.devices.iter_mut().for_each(DeviceInfo::keep_identity);
            let parts = [
                ("build", serde_json::to_value(&header.build)),
                ("host", serde_json::to_value(host)),
                ("model", serde_json::to_value(&header.model)),
            ];
            parts.map(|(part, fields)| (part, fields.unwrap_or_default()))
        };
        let mut found = Vec::new();
        for ((part, one), (_, other)) in facts(self).into_iter().zip(facts(other)) {
            let told = |fields: Value| match fields {
                Value::Object(fields) => fields.into_iter().filter(|(_, value)| is_known(value)).collect(),
                _ => Map::new(),
            };
            let (one, mut other) = (told(one), told(other));
            let pairs = one.into_iter().map(|(name, value)| {
                let other = other.remove(&name);
                (name, Some(value), other)
            });
            found.extend(of_known(pairs).map(|(name, one, other)| (format!("{part}.{name}"), one, other)));
        }
        let pairs = differing(&[&self.config, &other.config]).into_iter();
        let pairs = pairs.map(|it| (it.field, it.value(&self.config), it.value(&other.config)));
        found.extend(of_known(pairs).map(|(name, one, other)| (format!("config.{name}"), one, other)));
        found.into_iter().map(|(field, one, other)| Difference { field, one, other }).collect()
    }
}

fn is_known(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Those of the named values of two sides that differ. A value that only one side has is not a difference.
pub(crate) fn of_known<N, V: PartialEq>(
    values: impl Iterator<Item = (N, Option<V>, Option<V>)>,
) -> impl Iterator<Item = (N, V, V)> {
    values.filter_map(|(name, one, other)| Some((name, one?, other?))).filter(|(_, one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_tells_is_no_difference() {
        let mut header = Header::default();
        header.config.poll = Some(0);
        header.model.n_layer = Some(3);
        header.config.type_k = "f16".into();
        assert_eq!(header.differences(&Header::default()), []);
        assert_eq!(Header::default().differences(&header), []);
        header.host.cpu_features = vec!["AVX2".into()];
        header.host.backend_features.insert("CPU".into(), [("AVX2".into(), "1".into())].into());
        header.host.devices = vec![DeviceInfo::default()];
        assert_eq!(header.differences(&Header::default()), []);
        // Older files do not have what the driver says of a device.
        let mut other = header.clone();
        other.host.devices[0].compute_capability = Some("12.1".into());
        other.host.devices[0].pci_bus_id = Some("0000:01:00.0".into());
        other.host.devices[0].integrated = Some(true);
        assert_eq!(header.differences(&other), []);
        // It is known that no stopping rule was used.
        header.config.stopping = Some(crate::stats::StoppingRule::new());
        assert_eq!(header.differences(&Header::default()).len(), 1);
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let mut header = Header::default();
        header.config.n_ubatch = Some(512);
        header.build.commit = "def".into();
        let mut other = header.clone();
        other.timing.started_at = "later".into();
        other.host.devices = vec![DeviceInfo { memory_free_bytes: Some(5), ..DeviceInfo::default() }];
        header.host.devices = vec![DeviceInfo { memory_free_bytes: Some(9), ..DeviceInfo::default() }];
        assert_eq!(header.differences(&other), []);
        other.config.n_ubatch = Some(256);
        other.build.commit = "abc".into();
        let found: Vec<String> = header.differences(&other).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["build.commit is \"def\" and was \"abc\"", "config.n_ubatch is 512 and was 256"]);
        let found: Vec<String> = header.differences(&other).iter().map(Difference::in_flags).collect();
        assert_eq!(found, ["build.commit is \"def\" and was \"abc\"", "-ub is 512 and was 256"]);
    }
}
