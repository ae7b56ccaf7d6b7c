//! As many layers on the devices as their free memory allows.

use std::collections::BTreeMap;

use super::{
    Backend, Context, ContextParams, DeviceKind, DeviceMemory, LlamaError, Model, ModelParams, origin::Origin,
};

/// Loads a model with as many layers on the devices as leave this much memory free on each, with a context beside it:
/// llama-bench's `--fit-target`. What [`ModelParams::n_gpu_layers`] asks for is the most. Without a GPU it does nothing.
///
/// llama.cpp's own fit, which has no C interface, can also move single tensors; this one moves layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Fit {
    /// MiB that stay free on each device.
    pub margin_mib: u64,
    /// Tokens of the context that must fit beside the weights.
    pub n_ctx: u32,
}

impl Fit {
    /// The parameters with the layers chosen. Reads the model's header and makes a context without memory for each
    /// number of layers that it tries, about as often as the number has binary digits.
    pub(super) fn choose(
        self,
        backend: &Backend,
        origin: &Origin,
        params: &ModelParams,
    ) -> Result<ModelParams, LlamaError> {
        let is_gpu = |kind| matches!(kind, DeviceKind::Gpu | DeviceKind::Igpu);
        let free: BTreeMap<String, u64> = backend
            .devices()
            .iter()
            .filter(|device| is_gpu(device.kind()))
            .map(|device| (device.name(), device.memory_bytes().0))
            .collect();
        let mut params = params.clone();
        if free.is_empty() || params.no_devices {
            return Ok(params);
        }
        let (n_layer, _) = usage(origin, &params, self.n_ctx)?;
        // The output layer counts as one.
        let asked = u32::try_from(params.n_gpu_layers).unwrap_or(u32::MAX).min(n_layer + 1);
        let chosen = largest(asked, |n| {
            let tried = params.clone().n_gpu_layers(n as i32);
            let (_, used) = usage(origin, &tried, self.n_ctx)?;
            Ok(self.fits(&used, &free))
        })?;
        if chosen < asked {
            params.n_gpu_layers = chosen as i32;
        }
        Ok(params)
    }

    /// Whether every device keeps its margin; what is used elsewhere does not count.
    fn fits(self, used: &BTreeMap<String, DeviceMemory>, free: &BTreeMap<String, u64>) -> bool {
        let margin = self.margin_mib.saturating_mul(1 << 20);
        used.iter().all(|(device, used)| {
            let total = used.model_bytes + used.context_bytes + used.compute_bytes;
            free.get(device).is_none_or(|free| total.saturating_add(margin) <= *free)
        })
    }
}

/// Layers of the model, and the memory of it and of a context, by device; nothing is allocated.
fn usage(
    origin: &Origin,
    params: &ModelParams,
    n_ctx: u32,
) -> Result<(u32, BTreeMap<String, DeviceMemory>), LlamaError> {
    let model = Model::load_from(origin.clone(), &params.clone().no_alloc(true), &mut |_| true)?;
    let context = Context::new(&model, &ContextParams::default().n_ctx(n_ctx))?;
    Ok((model.n_layer(), context.memory_breakdown()))
}

/// The largest number up to `max` that fits; 0 if none does. What fits with more fits with less.
fn largest(max: u32, mut fits: impl FnMut(u32) -> Result<bool, LlamaError>) -> Result<u32, LlamaError> {
    if fits(max)? {
        return Ok(max);
    }
    let (mut fitting, mut too_many) = (0, max);
    while fitting + 1 < too_many {
        let middle = fitting + (too_many - fitting) / 2;
        if fits(middle)? {
            fitting = middle;
        } else {
            too_many = middle;
        }
    }
    Ok(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Shape, Synthetic};

    #[test]
    fn the_search_finds_the_edge_in_few_steps() {
        for max in 0..70 {
            for edge in 0..=max {
                let mut tries = 0;
                let found = largest(max, |n| {
                    tries += 1;
                    Ok(n <= edge)
                });
                assert_eq!(found.unwrap(), edge);
                assert!(tries <= 8, "{tries}");
            }
        }
        assert_eq!(largest(9, |_| Ok(false)).unwrap(), 0);
    }

    #[test]
    fn every_device_keeps_its_margin() {
        let mib = 1 << 20;
        let used = DeviceMemory { model_bytes: 4 * mib, context_bytes: 2 * mib, compute_bytes: mib };
        let used = [("CUDA0".to_owned(), used), ("CPU".to_owned(), used)].into();
        let fits =
            |margin_mib, free| Fit { margin_mib, n_ctx: 1 }.fits(&used, &[("CUDA0".to_owned(), free)].into());
        assert!(fits(3, 10 * mib) && !fits(4, 10 * mib) && fits(0, 7 * mib) && !fits(0, 7 * mib - 1));
        assert!(!fits(u64::MAX, 10 * mib));
    }

    /// What is tried without memory is what the loaded model then takes.
    #[test]
    fn the_estimate_is_what_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
        let (_backend, n_ctx) = (Backend::init().unwrap(), 512);
        // A file that is mapped takes no buffer of its own.
        let params = ModelParams::default().load_mode(super::super::LoadMode::None);
        let (n_layer, estimate) = usage(&Origin::File(path.clone()), &params, n_ctx).unwrap();
        let fit = Fit { margin_mib: 1, n_ctx };
        let model = Model::load_with(&path, &params.clone().fit(Some(fit))).unwrap();
        assert_eq!((model.n_layer(), model.params().fit), (n_layer, Some(fit)));
        let context = Context::new(&model, &ContextParams::default().n_ctx(n_ctx)).unwrap();
        assert_eq!(context.memory_breakdown(), estimate);
        assert!(estimate.values().any(|used| used.model_bytes > 0));
    }
}
