//! What to run next beyond a sweep: several sequences at once, and a conversation.

use super::{
    command::{Tests, cargo_run, sweep},
    next::Next,
};
use crate::{
    record::{Header, Run, parameters::PARAMETERS},
    report::{
        insights::{NextStep, is_on_cpu},
        names::model_words,
    },
};

/// Where the model lies, besides devices and layers. Another placement may not fit into the memory there is.
const PLACEMENT: [&str; 6] =
    ["n_cpu_moe", "split_mode", "main_gpu", "no_kv_offload", "tensor_split", "tensor_buft_overrides"];

/// Several sequences at once, or if they were measured the requests of several users; and a conversation. All for the model
/// placed as it was measured.
pub(super) fn for_several(runs: &[&Run], step: NextStep) -> Vec<Next> {
    let header = &runs[0].header;
    if header.model.filename.is_empty() {
        return Vec::new();
    }
    let words = [model_words(header), placement(header).concat()].concat();
    let example = |name: &str| cargo_run(header, name, &words);
    let (why, command) = if step == NextStep::Serve {
        ("for what users feel whose requests arrive one by one (serving)", example("serve_bench"))
    } else {
        // One fill serves all sequences; in fresh contexts each would be filled for every test.
        let mut header = header.clone();
        header.config.method = None;
        let command = sweep(&header, &parallel(runs), &[]);
        ("for what a server reaches with several sequences at once (parallel)", command)
    };
    vec![
        Next { why: why.into(), command, is_precision: false },
        Next {
            why: "for how an answer feels (interactive generation)".into(),
            command: example("generate"),
            is_precision: false,
        },
    ]
}

/// The tests of these runs with several numbers of sequences. Each depth needs memory for all of them: the two shallowest
/// are enough to see what a depth changes.
fn parallel(runs: &[&Run]) -> Tests {
    let mut tests = Tests::of(runs);
    // A decode has at least one token of each sequence.
    let n_batch = runs[0].header.config.n_batch.unwrap_or(u32::MAX);
    tests.levels = [1, 2, 4, 8, 16].into_iter().filter(|&n| n <= n_batch).collect();
    tests.depths = tests.depths.into_iter().take(2).collect();
    tests
}

/// The flags of the configuration that place the model, each with its value.
fn placement(header: &Header) -> Vec<[String; 2]> {
    let config = &header.config;
    let pair = |flag: &str, value: &str| [flag.to_owned(), value.to_owned()];
    if is_on_cpu(header) {
        return vec![pair("-dev", "none")];
    }
    let mut placement = Vec::new();
    if !matches!(config.devices.as_str(), "" | "auto") {
        placement.push(pair("-dev", &config.devices));
    }
    if let Some(n) = config.n_gpu_layers.filter(|_| !header.host.gpu_info.is_empty()) {
        placement.push(pair("-ngl", &u32::try_from(n).map_or_else(|_| "99".into(), |n| n.to_string())));
    }
    let asked = PLACEMENT.iter().filter_map(|field| PARAMETERS.iter().find(|it| it.field == *field));
    let flags = asked.filter(|it| !it.is_default(config)).map(|it| it.flags(config));
    placement.extend(flags.filter_map(|flag| <[String; 2]>::try_from(flag).ok()));
    placement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Config, DeviceInfo};

    fn header(config: Config) -> Header {
        let mut header = Header { config, ..Header::default() };
        header.model.filename = "model.gguf".into();
        header.host.gpu_info = "NVIDIA H200".into();
        header.host.devices = [("CUDA0", "gpu"), ("CPU", "cpu")]
            .map(|(name, kind)| DeviceInfo { name: name.into(), kind: kind.into(), ..DeviceInfo::default() })
            .into();
        header
    }

    /// What follows the model in the command for a conversation, which places it as that for serving does.
    fn placed(config: Config) -> String {
        let run = Run { header: header(config), cells: vec![], curve: vec![] };
        let [serve, generate] = &for_several(&[&run], NextStep::Serve)[..] else { panic!("two commands") };
        let [serve, generate] =
            [serve, generate].map(|next| next.command.split_once("-m model.gguf").unwrap().1.trim());
        assert_eq!(serve, generate);
        generate.to_owned()
    }

    #[test]
    fn layers_are_not_asked_for_on_devices_that_were_not_used() {
        let config =
            |devices: &str, n| Config { devices: devices.into(), n_gpu_layers: n, ..Config::default() };
        for (devices, n, expected) in [
            ("none", Some(-1), "-dev none"),
            ("none", Some(99), "-dev none"),
            ("none", None, "-dev none"),
            ("CPU", Some(99), "-dev none"),
            ("auto", Some(0), "-ngl 0"),
            ("auto", Some(-1), "-ngl 99"),
            ("auto", Some(12), "-ngl 12"),
            ("", None, ""),
            ("CUDA0", Some(12), "-dev CUDA0 -ngl 12"),
        ] {
            assert_eq!(placed(config(devices, n)), expected, "{devices} {n:?}");
        }
        assert_eq!(placed(config("CUDA0/CUDA1", None)), "-dev CUDA0/CUDA1");
    }

    /// Otherwise a model that was measured with its experts on the CPU is to lie on a GPU that it does not fit on.
    #[test]
    fn a_placement_that_was_asked_for_is_kept() {
        let config = Config {
            n_cpu_moe: Some(30),
            main_gpu: Some(1),
            no_kv_offload: Some(true),
            tensor_split: "3.00/1.00".into(),
            tensor_buft_overrides: "exps=CPU;attn=CUDA0".into(),
            ..Config::default()
        };
        let expected = "-ncmoe 30 -mg 1 -nkvo 1 -ts 3.00/1.00 -ot 'exps=CPU;attn=CUDA0'";
        assert_eq!(placed(config), expected);
    }

    #[test]
    fn a_machine_without_a_gpu_is_asked_for_no_layers() {
        let mut header = header(Config { n_gpu_layers: Some(99), ..Config::default() });
        header.host.gpu_info.clear();
        header.host.devices.truncate(0);
        let run = Run { header, cells: vec![], curve: vec![] };
        let next = for_several(&[&run], NextStep::Serve);
        assert!(next.iter().all(|next| !next.command.contains("-ngl")), "{next:?}");
    }
}
