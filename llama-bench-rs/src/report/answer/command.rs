//! Command lines that measure a configuration again, for a reader to copy.

use std::collections::BTreeSet;

use crate::{
    record::{Cell, Config, Group, Header, Run, TestKind, parameters::in_reading_order},
    report::{in_words::quoted, names::model_words},
};

/// The tests of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Tests {
    prompts: BTreeSet<u32>,
    generations: BTreeSet<u32>,
    pairs: BTreeSet<Group>,
    pub(super) levels: BTreeSet<u32>,
    pub(super) depths: BTreeSet<u32>,
    embeds: bool,
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
            // Texts are embedded one by one whatever the numbers of sequences are.
            if !test.kind.is_embedding() {
                tests.levels.insert(test.n_parallel);
            }
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
        if self.levels.iter().any(|&n| n != 1) {
            flags.extend(["-npl".into(), list(&self.levels)]);
        }
        flags
    }
}

/// The sweep of these tests with the configuration of a run, and `more` flags after it.
pub(super) fn sweep(header: &Header, tests: &Tests, more: &[String]) -> String {
    sweep_of_axes(header, tests, &[], more)
}

/// The same with several values of some flags, in place of those that the run has.
pub(super) fn sweep_of_axes(header: &Header, tests: &Tests, axes: &[Axis], more: &[String]) -> String {
    let mut words = model_words(header);
    words.extend(tests.flags());
    words.extend(config_flags(&header.config, tests.embeds));
    let mut kept = Vec::new();
    for (flag, value) in pairs(&words) {
        if axes.iter().all(|axis| axis.flag != *flag) {
            kept.extend([Some(flag), value].into_iter().flatten().cloned());
        }
    }
    for Axis { flag, values } in axes {
        // A value with a comma cannot be an item of a list; a flag that takes lists may be repeated.
        if values.iter().any(|value| value.contains(',')) {
            kept.extend(values.iter().flat_map(|value| [flag.clone(), value.clone()]));
        } else {
            kept.extend([flag.clone(), values.join(",")]);
        }
    }
    kept.extend_from_slice(more);
    cargo_run(header, "sweep", &kept)
}

/// A flag with the values that it takes in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    flag: String,
    pub(super) values: Vec<String>,
}

/// The axes that hold each of these sets of words; `None` if they are not all made of the same flags with values.
pub(super) fn axes(sets: &[&[String]]) -> Option<Vec<Axis>> {
    let (first, _) = sets.split_first()?;
    let mut axes: Vec<Axis> =
        pairs(first).into_iter().map(|(flag, _)| Axis { flag: flag.clone(), values: Vec::new() }).collect();
    for set in sets {
        let pairs = pairs(set);
        if pairs.len() != axes.len() {
            return None;
        }
        for (axis, (flag, value)) in axes.iter_mut().zip(pairs) {
            let value = value.filter(|_| axis.flag == *flag)?;
            if !axis.values.contains(value) {
                axis.values.push(value.clone());
            }
        }
    }
    Some(axes)
}

/// Flags with their values; a negative number is one.
fn pairs(words: &[String]) -> Vec<(&String, Option<&String>)> {
    let is_flag = |word: &str| word.starts_with('-') && word.parse::<f64>().is_err();
    let mut pairs = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(flag) = words.next() {
        pairs.push((flag, words.next_if(|word| !is_flag(word))));
    }
    pairs
}

/// An example of this project with these arguments.
pub(super) fn cargo_run(header: &Header, example: &str, words: &[String]) -> String {
    let backends = header.host.backends.to_ascii_lowercase();
    let feature =
        [("cuda", "cuda"), ("vulkan", "vulkan"), ("metal", "metal"), ("mtl", "metal"), ("rocm", "hip")]
            .into_iter()
            .find(|(name, _)| backends.contains(name));
    let feature = feature.map_or_else(String::new, |(_, feature)| format!(" --features {feature}"));
    let mut words = words.to_vec();
    let mut servers: Vec<&str> = Vec::new();
    for server in header.host.devices.iter().filter_map(|device| device.server.as_deref()) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    if !servers.is_empty() {
        words.splice(..0, ["--rpc".to_owned(), servers.join(",")]);
    }
    line(&format!("cargo run --release{feature} --example {example} --"), &words)
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
    use crate::record::{FlashAttnSetting, Test, tg};

    #[test]
    fn numbers_of_sequences_are_asked_for_again() {
        let command = |tests: &[Test], kv_unified: Option<bool>| {
            let failure = crate::record::Failure { kind: "decode".into(), message: String::new() };
            let outcome = crate::record::Outcome::Failed(failure);
            let cell = |&test: &Test| Cell { test, started_at: String::new(), outcome: outcome.clone() };
            let cells = tests.iter().map(cell).collect();
            let mut header = Header::default();
            header.model.filename = "a.gguf".into();
            header.config.kv_unified = kv_unified;
            let run = Run { header, cells, curve: Vec::new() };
            let command = sweep(&run.header, &Tests::of(&[&run]), &[]);
            command.split_once(" -- ").unwrap().1.to_owned()
        };
        let levels = [tg(32).parallel(8).at(64), tg(32).at(64), tg(16).parallel(2)];
        assert_eq!(command(&levels, Some(false)), "-m a.gguf -n 16,32 -d 0,64 -npl 1,2,8");
        assert_eq!(command(&levels, Some(true)), "-m a.gguf -n 16,32 -d 0,64 -npl 1,2,8 -pps");
        // Of one sequence too it is another configuration.
        assert_eq!(command(&levels[1..2], Some(true)), "-m a.gguf -n 32 -d 64 -pps");
        assert_eq!(command(&[tg(32).parallel(8)], None), "-m a.gguf -n 32 -npl 8");
    }

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
