//! From parameters back to the flags that ask for them.

use std::fmt::Display;

use crate::llama::{ContextParams, ModelParams};

/// The flags that lead from the defaults to these parameters, one word each, in llama-bench's short names where there
/// are any: `-ub=1024`. Empty if all are the defaults.
pub fn flags_of(model: &ModelParams, context: &ContextParams) -> Vec<String> {
    let mut flags = Flags(Vec::new());
    of_model(&mut flags, model);
    of_context(&mut flags, context);
    flags.0
}

struct Flags(Vec<String>);

impl Flags {
    fn add(&mut self, name: &str, value: impl Display) {
        self.0.push(format!("{name}={value}"));
    }

    /// If it is not the default.
    fn changed<V: PartialEq>(&mut self, name: &str, value: &V, default: &V, show: impl Fn(&V) -> String) {
        if value != default {
            self.add(name, show(value));
        }
    }
}

fn of_model(flags: &mut Flags, params: &ModelParams) {
    let default = ModelParams::default();
    if let Some(fit) = params.fit {
        flags.add("-fitt", fit.margin_mib);
        flags.add("-fitc", fit.n_ctx);
    }
    flags.changed("-ngl", &params.n_gpu_layers, &default.n_gpu_layers, ToString::to_string);
    flags.changed("-ncmoe", &params.n_cpu_moe, &default.n_cpu_moe, ToString::to_string);
    flags.changed("-sm", &params.split_mode, &default.split_mode, |mode| mode.name().into());
    flags.changed("-lm", &params.load_mode, &default.load_mode, |mode| mode.name().into());
    flags.changed("-lzm", &params.lazy_mode, &default.lazy_mode, |mode| mode.name().into());
    flags.changed("-mg", &params.main_gpu, &default.main_gpu, ToString::to_string);
    if params.no_devices {
        flags.add("-dev", "none");
    } else if !params.devices.is_empty() {
        let names: Vec<String> = params.devices.iter().map(|device| device.name()).collect();
        flags.add("-dev", names.join("/"));
    }
    flags.changed("-ts", &params.tensor_split, &default.tensor_split, |shares| {
        shares.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
    });
    flags.changed("-ot", &params.tensor_buft_overrides, &default.tensor_buft_overrides, |overrides| {
        let one = |(pattern, buffer): &(String, String)| format!("{pattern}={buffer}");
        overrides.iter().map(one).collect::<Vec<_>>().join(";")
    });
    flags.changed("--no-host", &params.no_host, &default.no_host, switch);
    flags.changed("--repack", &params.use_extra_bufts, &default.use_extra_bufts, switch);
}

fn of_context(flags: &mut Flags, params: &ContextParams) {
    let default = ContextParams::default();
    flags.changed("-embd", &params.embeddings, &default.embeddings, switch);
    flags.changed("-nopo", &!params.op_offload, &!default.op_offload, switch);
    flags.changed("-b", &params.n_batch, &default.n_batch, ToString::to_string);
    flags.changed("-ub", &params.n_ubatch, &default.n_ubatch, ToString::to_string);
    flags.changed("-ctk", &params.type_k, &default.type_k, |kind| kind.name().into());
    flags.changed("-ctv", &params.type_v, &default.type_v, |kind| kind.name().into());
    flags.changed("-nkvo", &!params.offload_kqv, &!default.offload_kqv, switch);
    flags.changed("-fa", &params.flash_attn, &default.flash_attn, |when| when.name().into());
    flags.changed("-t", &params.n_threads, &default.n_threads, ToString::to_string);
    flags.changed("-C", &params.cpu_mask, &default.cpu_mask, |cpus| mask(cpus));
    flags.changed("--cpu-strict", &params.cpu_strict, &default.cpu_strict, switch);
    flags.changed("--poll", &params.poll, &default.poll, ToString::to_string);
    flags.changed("--prio", &params.prio, &default.prio, ToString::to_string);
    if params.swa_full != default.swa_full {
        flags.0.push("--swa-full".into());
    }
}

fn switch(on: &bool) -> String {
    u8::from(*on).to_string()
}

/// CPUs as hexadecimal digits, the first CPU in the lowest bit of the last.
fn mask(cpus: &[bool]) -> String {
    let digit = |bits: &[bool]| bits.iter().rev().fold(0, |digit, &bit| 2 * digit + u32::from(bit));
    let digits = cpus.chunks(4).rev().filter_map(|bits| char::from_digit(digit(bits), 16));
    format!("0x{}", digits.collect::<String>())
}
