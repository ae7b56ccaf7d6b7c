//! Operations that are not computed where their layer lies.

use super::{Context, LlamaError, Stray, context::last_exception, device::text, log, sys};

impl Context {
    /// The strays of the graph that decodes `n_tokens` tokens.
    ///
    /// # Errors
    /// llama.cpp could not build the graph; the context cannot be used any more.
    pub(super) fn strays(&mut self, n_tokens: u32, all_outputs: bool) -> Result<Vec<Stray>, LlamaError> {
        let mut cap = 64;
        loop {
            // SAFETY: plain old data, for which zeros are valid.
            let mut strays: Vec<sys::llama_sys_stray> = vec![unsafe { std::mem::zeroed() }; cap];
            let (ctx, out) = (self.as_raw(), strays.as_mut_ptr());
            // SAFETY: a live context that no exception broke, and room for `cap` strays.
            let (n, log) = log::capture_quietly(|| unsafe {
                sys::llama_sys_strays_of_decode(ctx, n_tokens, all_outputs, out, cap as i32)
            });
            let n = usize::try_from(n).map_err(|_| match last_exception() {
                Some(_) => self.broken_by("llama_graph_reserve"),
                None => LlamaError::Unsupported { what: "looking at a graph".into(), why: log.complaints() },
            })?;
            if n <= cap {
                return Ok(strays[..n].iter().map(of_raw).collect());
            }
            cap = n;
        }
    }
}

fn of_raw(stray: &sys::llama_sys_stray) -> Stray {
    // SAFETY: the shim NUL-terminates all of them.
    let [name, op, weights, weights_at, device, layer_device] = unsafe {
        [
            stray.name.as_ptr(),
            stray.op.as_ptr(),
            stray.weights.as_ptr(),
            stray.weights_at.as_ptr(),
            stray.device.as_ptr(),
            stray.layer_device.as_ptr(),
        ]
        .map(|it| text(it))
    };
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    Stray {
        layer: u32::try_from(stray.layer).unwrap_or_default(),
        name,
        op,
        weights: known(weights),
        weights_at: known(weights_at),
        weight_bytes: stray.weight_bytes,
        device,
        layer_device,
        crossed_bytes: stray.crossed_bytes,
    }
}
