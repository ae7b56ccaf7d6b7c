//! Values that llama.cpp refuses in words of its own, said with the parameter, its flag and what to do.

use super::{ContextParams, LlamaError, ModelParams};

/// What llama.cpp logs or throws of a split mode, and what to do.
const OF_SPLIT_MODES: &[(&str, &str)] = &[
    (
        "SPLIT_MODE_TENSOR needs",
        "it splits each matrix over GPUs, and no GPU is used here: take split mode layer or none (-sm layer, -sm none), or \
         name GPUs (-dev)",
    ),
    (
        "SPLIT_MODE_TENSOR not implemented",
        "llama.cpp cannot split models of this architecture within a layer: take split mode layer (-sm layer)",
    ),
    (
        "SPLIT_MODE_TENSOR requires flash_attn",
        "it needs flash attention: turn that on or leave it to llama.cpp (-fa on, -fa auto), or take split mode layer \
         (-sm layer)",
    ),
    (
        "does not support split buffers",
        "a device here cannot hold single rows of a matrix: take split mode layer (-sm layer)",
    ),
];

/// The split mode that llama.cpp refused, if that is why.
fn of_split_mode(params: &ModelParams, log: &str) -> Option<LlamaError> {
    let (said, remedy) = OF_SPLIT_MODES.iter().find(|(said, _)| log.contains(said))?;
    // The device is all that llama.cpp's words add.
    let device = log.split_once(said).filter(|_| said.starts_with("does not")).and_then(|(before, _)| {
        before.trim_end().rsplit_once("device ").map(|(_, name)| format!(" ({name})"))
    });
    Some(LlamaError::Parameter {
        name: "split_mode",
        value: params.split_mode.name().into(),
        remedy: match device {
            Some(device) => remedy.replacen("a device here", &format!("a device here{device}"), 1),
            None => (*remedy).to_owned(),
        },
    })
}

/// Why a model was not loaded, from what was logged.
pub(super) fn of_load(params: &ModelParams, log: &str) -> Option<LlamaError> {
    of_split_mode(params, log)
}

/// Why a context was not made, from what was logged.
pub(super) fn of_context(model: &ModelParams, params: &ContextParams, log: &str) -> Option<LlamaError> {
    if log.contains("does not support different K") {
        let remedy = "this model takes one type for both caches: give -ctk and -ctv the same".into();
        return Some(LlamaError::Parameter { name: "type_v", value: params.type_v.name().into(), remedy });
    }
    of_split_mode(model, log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error,
        gguf::{Shape, Synthetic},
        llama::{Backend, DeviceKind, Model, SplitMode},
    };

    #[test]
    fn a_refused_split_mode_is_named_with_its_flag_and_a_remedy() {
        for (mode, log, parts) in [
            (
                SplitMode::Row,
                "error loading model: device Vulkan0 does not support split buffers",
                "(Vulkan0)",
            ),
            (
                SplitMode::Row,
                "device CUDA0 does not support split buffers; llama_model_load_from_file_impl",
                "-sm layer",
            ),
            (
                SplitMode::Tensor,
                "LLAMA_SPLIT_MODE_TENSOR not implemented for architecture 'mamba2'",
                "-sm layer",
            ),
            (
                SplitMode::Tensor,
                "llama_init_from_model: SPLIT_MODE_TENSOR requires flash_attn to be enabled",
                "-fa",
            ),
        ] {
            let params = ModelParams::default().split_mode(mode);
            let refused = of_load(&params, log).unwrap().to_string();
            assert!(
                refused.starts_with(&format!("split_mode = {} cannot be used: ", mode.name())),
                "{refused}"
            );
            assert!(refused.contains(parts) && !refused.contains("LLAMA_"), "{refused}");
        }
        assert!(of_load(&ModelParams::default(), "unknown model architecture: 'x'").is_none());
    }

    /// llama.cpp's own words, as long as it has them.
    #[test]
    fn a_split_over_gpus_without_any_is_refused_in_words() {
        let backend = Backend::init().unwrap();
        if backend.devices().iter().any(|it| matches!(it.kind(), DeviceKind::Gpu | DeviceKind::Igpu)) {
            println!("SKIPPED: there is a GPU");
            return;
        }
        let synthetic = Synthetic::new(Shape::preset("tiny-llama").unwrap());
        let params = ModelParams::default().split_mode(SplitMode::Tensor);
        let refused = Model::load_synthetic(&synthetic, &params).unwrap_err();
        assert!(
            matches!(&refused, Error::Llama(LlamaError::Parameter { name: "split_mode", .. })),
            "{refused}"
        );
        assert!(refused.to_string().contains("no GPU is used here"), "{refused}");
    }
}
