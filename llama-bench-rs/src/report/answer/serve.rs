//! What to run next beyond a sweep: several sequences at once, and a conversation.

use super::{
    command::{cargo_run, line},
    next::Next,
};
use crate::{
    record::{Header, parameters::PARAMETERS},
    report::{insights::is_on_cpu, names::model_words},
};

/// Where the model lies, besides devices and layers. Another placement may not fit into the memory there is.
const PLACEMENT: [&str; 6] =
    ["n_cpu_moe", "split_mode", "main_gpu", "no_kv_offload", "tensor_split", "tensor_buft_overrides"];

/// Both commands, for the model placed as it was measured.
pub(super) fn serve(header: &Header) -> Vec<Next> {
    let file = &header.model.filename;
    if file.is_empty() {
        return Vec::new();
    }
    let placement = placement(header);
    let parallel = of_llama_cpp(&placement).map(|placement| {
        let mut words = vec!["-m".to_owned(), file.clone()];
        words.extend(placement);
        words.extend(["-c", "16384", "-npp", "512", "-ntg", "128", "-npl", "1,2,4,8,16"].map(str::to_owned));
        Next {
            why: "for what a server reaches with several sequences at once (parallel, with llama.cpp's own tool)".into(),
            command: line("llama-batched-bench", &words),
            is_precision: false,
        }
    });
    let interactive = Next {
        why: "for how an answer feels (interactive generation)".into(),
        command: cargo_run(header, "generate", &[model_words(file), placement.concat()].concat()),
        is_precision: false,
    };
    parallel.into_iter().chain([interactive]).collect()
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

/// The same in the words of llama.cpp's tools; `None` if they cannot say it.
fn of_llama_cpp(placement: &[[String; 2]]) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for [flag, value] in placement {
        match flag.as_str() {
            "-dev" => words.extend([flag.clone(), value.replace('/', ",")]),
            "-nkvo" => words.push(flag.clone()),
            // They separate overrides by commas, also inside of patterns.
            "-ot" if value.contains(',') => return None,
            "-ot" => words.extend([flag.clone(), value.replace(';', ",")]),
            _ => words.extend([flag.clone(), value.clone()]),
        }
    }
    Some(words)
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

    /// What both commands say between the model and the sizes.
    fn placed(config: Config) -> [Option<String>; 2] {
        let next = serve(&header(config));
        let part = |start: &str, end: &str| {
            let found = next.iter().find(|it| it.command.contains(start))?;
            let (_, rest) = found.command.split_once("-m model.gguf")?;
            Some(rest.split_once(end).map_or(rest, |(part, _)| part).trim().to_owned())
        };
        [part("llama-batched-bench", " -c "), part("generate", "\n")]
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
            let expected = [(); 2].map(|()| Some(expected.to_owned()));
            assert_eq!(placed(config(devices, n)), expected, "{devices} {n:?}");
        }
        let [parallel, interactive] = placed(config("CUDA0/CUDA1", None));
        assert_eq!(
            (parallel.as_deref(), interactive.as_deref()),
            (Some("-dev CUDA0,CUDA1"), Some("-dev CUDA0/CUDA1"))
        );
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
        let [parallel, interactive] = placed(config.clone()).map(Option::unwrap);
        assert_eq!(parallel, "-ncmoe 30 -mg 1 -nkvo -ts 3.00/1.00 -ot exps=CPU,attn=CUDA0");
        assert_eq!(interactive, "-ncmoe 30 -mg 1 -nkvo 1 -ts 3.00/1.00 -ot 'exps=CPU;attn=CUDA0'");
        // Their tool would read two overrides.
        let [parallel, interactive] =
            placed(Config { tensor_buft_overrides: "[0-9]{1,2}.exps=CPU".into(), ..config });
        assert_eq!(parallel, None);
        assert!(interactive.unwrap().contains("{1,2}"));
    }

    #[test]
    fn a_machine_without_a_gpu_is_asked_for_no_layers() {
        let mut header = header(Config { n_gpu_layers: Some(99), ..Config::default() });
        header.host.gpu_info.clear();
        header.host.devices.truncate(0);
        assert!(serve(&header).iter().all(|next| !next.command.contains("-ngl")), "{:?}", serve(&header));
    }
}
