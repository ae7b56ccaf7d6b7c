//! Command lines that measure a configuration again, for a reader to copy.

use std::collections::BTreeSet;

use crate::{
    record::{Cell, Config, Group, Header, Run, TestKind, parameters::in_reading_order},
    report::in_words::quoted,
};

/// The tests of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Tests {
    pub(super) prompts: BTreeSet<u32>,
    pub(super) generations: BTreeSet<u32>,
    pub(super) pairs: BTreeSet<Group>,
    pub(super) depths: BTreeSet<u32>,
    pub(super) embeds: bool,
}

impl Tests {
    /// Those of some runs.
    pub(super) fn of(runs: &[&Run]) -> Self {
        let mut tests = Self::default();
        // What the model cannot do is not asked for again.
        let is_possible = |cell: &&Cell| {
            cell.failure().is_none_or(|failure| failure.kind != crate::record::FailureKind::Unsupported)
        };
        for test in runs.iter().flat_map(|run| &run.cells).filter(is_possible).map(|cell| cell.test) {
            match (test.kind, test.group) {
                (TestKind::Pp(_), Some(group)) => {
                    tests.pairs.insert(group);
                    tests.depths.insert(test.n_depth);
                }
                // It begins where its prompt ended.
                (_, Some(_)) => {}
                (kind, None) => {
                    let lengths =
                        if kind.is_generation() { &mut tests.generations } else { &mut tests.prompts };
                    lengths.insert(kind.n_tokens());
                    tests.depths.insert(test.n_depth);
                    tests.embeds |= kind.is_embedding();
                }
            }
        }
        tests
    }

    fn flags(&self) -> Vec<String> {
        let list = |numbers: &BTreeSet<u32>| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut flags = Vec::new();
        for (flag, numbers) in [("-p", &self.prompts), ("-n", &self.generations)] {
            if !numbers.is_empty() {
                flags.extend([flag.to_owned(), list(numbers)]);
            }
        }
        for Group { n_prompt, n_gen } in &self.pairs {
            flags.extend(["-pg".into(), format!("{n_prompt},{n_gen}")]);
        }
        if self.depths.iter().any(|&depth| depth > 0) {
            flags.extend(["-d".into(), list(&self.depths)]);
        }
        flags
    }
}

/// The sweep of these tests with the configuration of a run, and `more` flags behind.
pub(super) fn sweep(header: &Header, tests: &Tests, more: &[String]) -> String {
    let mut words = vec!["-m".to_owned(), header.model.filename.clone()];
    words.extend(tests.flags());
    words.extend(config_flags(&header.config, tests.embeds));
    words.extend_from_slice(more);
    cargo_run(header, "sweep", &words)
}

/// An example of this project with these arguments.
pub(super) fn cargo_run(header: &Header, example: &str, words: &[String]) -> String {
    let backends = header.host.backends.to_ascii_lowercase();
    let feature =
        [("cuda", "cuda"), ("vulkan", "vulkan"), ("metal", "metal"), ("mtl", "metal"), ("rocm", "hip")]
            .into_iter()
            .find(|(name, _)| backends.contains(name));
    let feature = feature.map_or_else(String::new, |(_, feature)| format!(" --features {feature}"));
    line(&format!("cargo run --release{feature} --example {example} --"), words)
}

/// A program with these arguments.
pub(super) fn line(program: &str, words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{program} {}", words.join(" "))
}

/// What was asked for beyond the defaults, in llama-bench's short names: all that changes speed. How often is measured,
/// and when enough, is the reader's to say.
fn config_flags(config: &Config, embeds: bool) -> Vec<String> {
    let mut config = config.clone();
    if embeds {
        config.embeddings = Some(true);
    }
    let asked = in_reading_order().filter(|it| it.key().is_some() && !it.is_default(&config));
    asked.flat_map(|parameter| parameter.flags(&config)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FlashAttnSetting;

    #[test]
    fn only_what_is_not_the_default_is_written() {
        assert_eq!(config_flags(&Config::default(), false), [] as [&str; 0]);
        let config = Config {
            n_batch: Some(2048),
            n_ubatch: Some(1024),
            flash_attn: Some(FlashAttnSetting::On),
            type_k: "q8_0".into(),
            tensor_buft_overrides: r"exps=CPU".into(),
            swa_full: Some(true),
            warmup: Some(true),
            ..Config::default()
        };
        assert_eq!(
            config_flags(&config, false),
            ["-ub", "1024", "-ctk", "q8_0", "-fa", "1", "-ot", "exps=CPU", "--swa-full"]
        );
    }
}
