use std::fmt;

use serde_json::Value;

use super::Header;

/// A fact in which two runs differ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where it stands in the header, such as `config.n_ubatch`.
    pub field: String,
    /// Its value on one side.
    pub one: Value,
    /// Its value on the other side.
    pub other: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} and was {}", self.field, self.one, self.other)
    }
}

/// Settings of which nothing says that they were not asked for; any other field that is not there is not known.
const OFF_IF_ABSENT: [&str; 2] = ["stopping", "pace"];

impl Header {
    /// What differs in what is known before a run begins: build, machine, model and configuration. Memory that is
    /// free, loading and timing are of the moment and do not count, and what only one of them tells is no difference.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let facts = |header: &Self| {
            let mut host = header.host.clone();
            host.devices.iter_mut().for_each(|device| device.memory_free_bytes = None);
            let Header { build, model, config, .. } = header;
            [
                ("build", serde_json::to_value(build)),
                ("host", serde_json::to_value(host)),
                ("model", serde_json::to_value(model)),
                ("config", serde_json::to_value(config)),
            ]
        };
        let mut found = Vec::new();
        for ((part, one), (_, other)) in facts(self).into_iter().zip(facts(other)) {
            if let (Ok(Value::Object(one)), Ok(Value::Object(mut other))) = (one, other) {
                for (name, one) in one {
                    let other = other.remove(&name).unwrap_or(Value::Null);
                    let is_known = |value: &Value| {
                        !value.is_null() && value.as_str() != Some("")
                            || OFF_IF_ABSENT.contains(&name.as_str())
                    };
                    if one != other && is_known(&one) && is_known(&other) {
                        found.push(Difference { field: format!("{part}.{name}"), one, other });
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::DeviceInfo;

    #[test]
    fn what_only_one_tells_is_no_difference() {
        let mut header = Header::default();
        header.config.poll = Some(0);
        header.model.n_layer = Some(3);
        header.config.type_k = "f16".into();
        assert_eq!(header.differences(&Header::default()), []);
        assert_eq!(Header::default().differences(&header), []);
        // That there is no stopping rule is known.
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
    }
}
