use std::fmt;

use super::{Level, Say};
use crate::{
    llama::tensor_pattern,
    record::{
        Header, Run,
        work::{Stray, Work, WorkKind},
    },
    report::in_words::{bytes, count},
    units::total,
};

/// Weights that are named; of more only how many they are.
const NAMED: usize = 4;

/// Operations that a CPU computes although their layers are on another device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Strays {
    /// What is computed.
    pub kind: WorkKind,
    /// The CPU.
    pub device: String,
    /// The device that holds the layers.
    pub layer_device: String,
    /// The layers, ascending.
    pub layers: Vec<u32>,
    /// How many operations.
    pub n_operations: usize,
    /// The weights that they read from the host's memory, such as `blk.3.ffn_down.weight`; empty if it is not for weights
    /// that they are there.
    pub weights: Vec<String>,
    /// Bytes of those.
    pub weight_bytes: u64,
    /// Operations by name, if there are no such weights.
    pub operations: Vec<String>,
    /// What asked for it, such as `-ot blk\.3\.ffn_.*=CPU`; `None` if nothing did.
    pub asked: Option<String>,
    /// Bytes that are copied between the two devices for each graph.
    pub crossed_bytes: u64,
}

/// Those of a generation, or of a prompt if they differ in their weights and operations.
pub(super) fn strays(run: &Run) -> Vec<Strays> {
    let mut all: Vec<Strays> = Vec::new();
    let kinds = [WorkKind::Generation, WorkKind::Prompt, WorkKind::Embedding];
    for work in kinds.iter().filter_map(|kind| run.header.work.iter().find(|work| work.kind == *kind)) {
        for found in of_work(&run.header, work) {
            let is_known = |known: &Strays| {
                (&known.weights, &known.operations, &known.layers)
                    == (&found.weights, &found.operations, &found.layers)
            };
            if !all.iter().any(is_known) {
                all.push(found);
            }
        }
    }
    all
}

fn of_work(header: &Header, work: &Work) -> Vec<Strays> {
    let is_cpu = |name: &str| {
        header.host.devices.iter().any(|device| device.name == name && device.is_processor()) || name == "CPU"
    };
    let of_interest = |stray: &&Stray| is_cpu(&stray.device) && !is_cpu(&stray.layer_device);
    let strays: Vec<&Stray> = work.strays.iter().filter(of_interest).collect();
    let mut holders: Vec<&str> = strays.iter().map(|stray| stray.layer_device.as_str()).collect();
    holders.sort_unstable();
    holders.dedup();
    holders.into_iter().map(|holder| of_holder(header, work.kind, &strays, holder)).collect()
}

fn of_holder(header: &Header, kind: WorkKind, strays: &[&Stray], holder: &str) -> Strays {
    let own: Vec<&Stray> = strays.iter().copied().filter(|stray| stray.layer_device == holder).collect();
    let with_weights = || own.iter().filter_map(|stray| Some((stray.weights.clone()?, stray)));
    let weights = sorted(with_weights().map(|(name, _)| name));
    let operations =
        if weights.is_empty() { own.iter().map(|stray| stray.op.clone()).collect() } else { Vec::new() };
    // What moves with the weights that were left is not separated.
    let mut layers: Vec<u32> = own.iter().map(|stray| stray.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    Strays {
        kind,
        device: own.first().map_or_else(String::new, |stray| stray.device.clone()),
        layer_device: holder.to_owned(),
        layers,
        n_operations: own.len(),
        weight_bytes: total(with_weights().map(|(_, stray)| stray.weight_bytes)),
        asked: asked(header, &weights),
        weights,
        operations: sorted(operations.into_iter()),
        crossed_bytes: total(own.iter().map(|stray| stray.crossed_bytes)),
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The flags that left these weights on the CPU, or what the operations read if there are none.
fn asked(header: &Header, weights: &[String]) -> Option<String> {
    let config = &header.config;
    if weights.is_empty() {
        return (config.no_kv_offload == Some(true)).then(|| "-nkvo 1".to_owned());
    }
    let all = config.tensor_buft_overrides.split(';').filter(|one| !one.is_empty() && *one != "none");
    let matching: Vec<&str> = all.filter(|one| matches_one(one, weights)).collect();
    let overrides = (!matching.is_empty()).then(|| format!("-ot {}", matching.join(";")));
    let has_experts = weights.iter().any(|name| name.contains("exps"));
    let experts = config.n_cpu_moe.filter(|&n| n > 0 && has_experts).map(|n| format!("-ncmoe {n}"));
    let flags: Vec<String> = overrides.into_iter().chain(experts).collect();
    (!flags.is_empty()).then(|| flags.join(" and "))
}

/// Whether an override is for one of these weights. One that was cut from a pattern with a semicolon in it may be for any.
fn matches_one(pattern_and_buffer: &str, weights: &[String]) -> bool {
    let pattern = pattern_and_buffer.rsplit_once('=').map_or(pattern_and_buffer, |(pattern, _)| pattern);
    tensor_pattern(pattern)
        .map_or(true, |pattern| weights.iter().any(|name| pattern.is_match(name.as_bytes())))
}

/// `layer 3`, or `layers 3 to 7` if they follow each other.
fn layers(layers: &[u32]) -> String {
    match layers {
        [one] => format!("layer {one}"),
        [first, .., last] if (last - first) as usize + 1 == layers.len() => {
            format!("layers {first} to {last}")
        }
        _ => format!("layers {}", layers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The part of a weight's name that says what it is: `ffn_down` of `blk.3.ffn_down.weight`.
fn short(weight: &str) -> &str {
    let name = weight.strip_suffix(".weight").unwrap_or(weight);
    name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, short)| short)
}

impl Say for Strays {
    fn level(&self) -> Level {
        Level::Warning
    }
}

impl fmt::Display for Strays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, layer_device, kind, .. } = self;
        let (layers, n) = (layers(&self.layers), count(self.n_operations, "operation"));
        let crossed = bytes(self.crossed_bytes);
        let mut kinds = sorted(self.weights.iter().map(|weight| short(weight).to_owned()));
        if kinds.is_empty() {
            let why = self.asked.as_ref().map_or_else(
                || format!("{layer_device} cannot compute them, or what they read is in host memory"),
                |flag| format!("{flag} keeps what they read in host memory"),
            );
            return write!(
                f,
                "{n} of {layers} ({}) ran on {device} although {layer_device} holds the layers: {why}. {crossed} cross \
                 between the two for each graph of a {kind}.",
                self.operations.join(", ")
            );
        }
        let n_kinds = kinds.len();
        kinds.truncate(NAMED);
        let more = if n_kinds > NAMED { format!(" and {} more", n_kinds - NAMED) } else { String::new() };
        let left = self
            .asked
            .as_ref()
            .map_or_else(|| "are".to_owned(), |flag| format!("were left there by {flag},"));
        let left = if self.asked.is_some() { left } else { format!("{left} there,") };
        write!(
            f,
            "The weights {}{more} of {layers} ({}) lie on {device}: they {left} although {layer_device} holds the rest. {n} ran on \
             {device}, and {crossed} cross between the two for each graph of a {kind}.",
            kinds.join(", "),
            bytes(self.weight_bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::pp100_run;

    fn stray(layer: u32, weights: Option<&str>, op: &str) -> Stray {
        Stray {
            layer,
            name: format!("x-{layer}"),
            op: op.into(),
            weights: weights.map(|name| format!("blk.{layer}.{name}.weight")),
            weights_at: weights.map(|_| "CPU".into()),
            weight_bytes: if weights.is_some() { 1 << 20 } else { 0 },
            device: "CPU".into(),
            layer_device: "CUDA0".into(),
            crossed_bytes: 2048,
        }
    }

    fn said(strays: Vec<Stray>, change: impl FnOnce(&mut Header)) -> Vec<String> {
        let mut run = pp100_run(512, &[1]);
        let (nodes, copies, results) = (Vec::new(), Vec::new(), Vec::new());
        let work =
            Work { kind: WorkKind::Generation, n_tokens: 1, n_splits: 3, nodes, copies, results, strays };
        run.header.work = vec![Work { kind: WorkKind::Prompt, ..work.clone() }, work];
        change(&mut run.header);
        super::strays(&run).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn weights_that_were_left_are_named_with_the_flag_that_left_them() {
        let strays = vec![
            stray(3, Some("ffn_gate"), "MUL_MAT"),
            stray(3, None, "GLU"),
            stray(3, Some("ffn_down"), "MUL_MAT"),
        ];
        let said = said(strays, |header| header.config.tensor_buft_overrides = r"blk\.3\.ffn_.*=CPU".into());
        assert_eq!(
            said,
            ["The weights ffn_down, ffn_gate of layer 3 (2.00 MiB) lie on CPU: they were left there by \
              -ot blk\\.3\\.ffn_.*=CPU, although CUDA0 holds the rest. 3 operations ran on CPU, and 6.00 KiB cross \
              between the two for each graph of a generation."]
        );
    }

    #[test]
    fn of_several_overrides_those_for_these_weights_are_named() {
        let asked = |weight: &str, overrides: &str, n_cpu_moe: u32| {
            let said = said(vec![stray(3, Some(weight), "MUL_MAT")], |header| {
                header.config.tensor_buft_overrides = overrides.into();
                header.config.n_cpu_moe = Some(n_cpu_moe);
            });
            let (_, after) = said[0].split_once("they ").unwrap();
            after.split_once(", although").unwrap().0.to_owned()
        };
        let two = r"output=CPU;blk\.3\.ffn=CPU";
        assert_eq!(asked("ffn_up", two, 0), r"were left there by -ot blk\.3\.ffn=CPU");
        assert_eq!(asked("ffn_up_exps", "output=CPU", 4), "were left there by -ncmoe 4");
        assert_eq!(asked("ffn_up_exps", two, 4), r"were left there by -ot blk\.3\.ffn=CPU and -ncmoe 4");
        assert_eq!(asked("attn_q", two, 4), "are there");
        assert_eq!(asked("attn_q", "attn_(q|;=CPU", 0), "were left there by -ot attn_(q|;=CPU", "cut in two");
    }

    #[test]
    fn operations_without_weights_are_named_themselves() {
        let strays = vec![stray(0, None, "FLASH_ATTN_EXT"), stray(1, None, "FLASH_ATTN_EXT")];
        let said = said(strays, |header| header.config.no_kv_offload = Some(true));
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("layers 0 to 1 (FLASH_ATTN_EXT)") && said[0].contains("-nkvo 1"),
            "{}",
            said[0]
        );
    }

    #[test]
    fn a_gpu_that_computes_for_layers_of_the_cpu_is_not_astray() {
        let turned = Stray {
            device: "CUDA0".into(),
            layer_device: "CPU".into(),
            ..stray(3, Some("ffn_up"), "MUL_MAT")
        };
        assert_eq!(said(vec![turned], |_| {}), [""; 0]);
        assert_eq!(said(Vec::new(), |_| {}), [""; 0]);
    }
}
