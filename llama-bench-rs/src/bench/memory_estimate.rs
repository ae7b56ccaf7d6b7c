//! The memory of a context, estimated before it is made.

use std::{collections::BTreeMap, fmt};

use crate::{
    llama::{Backend, ContextParams, Model},
    record::{DeviceMemory, Failure, FailureKind},
    units::words::{bytes, count},
};

/// Estimated memory of a sweep beyond the weights, by device.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct MemoryEstimate {
    /// Tokens that the context will hold, of all sequences together.
    pub n_ctx: u32,
    /// Sequences that it will hold apart.
    pub n_seqs: u32,
    /// By device name, such as `CUDA0` or `CPU`.
    pub devices: BTreeMap<String, DeviceEstimate>,
}

/// The estimate for one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct DeviceEstimate {
    /// KV cache and recurrent state.
    pub context_bytes: u64,
    /// Of these, what does not grow with the context, for one sequence: sliding windows and recurrent states. A partial
    /// snapshot takes at most as much, on the device if it can be kept there, otherwise on the host. 0 if it was not asked
    /// for.
    pub partial_bytes: u64,
    /// Compute buffers.
    pub compute_bytes: u64,
    /// Free now; `None` if the device does not report it.
    pub free_bytes: Option<u64>,
}

impl DeviceEstimate {
    /// Everything that the context itself takes.
    pub fn total_bytes(&self) -> u64 {
        self.context_bytes + self.compute_bytes
    }
}

impl MemoryEstimate {
    /// Asks llama.cpp for the size of a context of `n_ctx` tokens in all and of a partial snapshot of one of its sequences;
    /// `None` if it has no estimate.
    pub(super) fn of(model: &Model, params: &ContextParams, n_ctx: u32) -> Option<Self> {
        // What a larger context has no more of is a window or a state.
        let grown = if has_partial_state(model, params) {
            let growth = GROWTH.checked_mul(params.n_seq_max)?;
            model.memory_of_context(&params.clone().n_ctx(n_ctx.checked_add(growth)?))?
        } else {
            BTreeMap::new()
        };
        Self::compared(model, params, n_ctx, &grown)
    }

    /// The same without looking at snapshots, which takes half the time.
    pub(crate) fn of_context(model: &Model, params: &ContextParams, n_ctx: u32) -> Option<Self> {
        Self::compared(model, params, n_ctx, &BTreeMap::new())
    }

    fn compared(
        model: &Model,
        params: &ContextParams,
        n_ctx: u32,
        grown: &BTreeMap<String, DeviceMemory>,
    ) -> Option<Self> {
        let memory = model.memory_of_context(&params.clone().n_ctx(n_ctx))?;
        let n_seqs = params.n_seq_max.max(1);
        let free: BTreeMap<String, u64> = Backend::init()
            .ok()?
            .devices()
            .iter()
            .map(|device| (device.name(), device.memory_bytes().0))
            .collect();
        let devices = memory
            .into_iter()
            .map(|(name, memory)| {
                let partial_bytes = grown.get(&name).map_or(0, |grown| {
                    let growth = u64::from(GROWTH) * u64::from(n_seqs);
                    let per_token = grown.context_bytes.saturating_sub(memory.context_bytes) / growth;
                    memory.context_bytes.saturating_sub(per_token * u64::from(n_ctx)) / u64::from(n_seqs)
                });
                let estimate = DeviceEstimate {
                    context_bytes: memory.context_bytes,
                    partial_bytes,
                    compute_bytes: memory.compute_bytes,
                    free_bytes: free.get(&name).copied(),
                };
                (name, estimate)
            })
            .collect();
        Some(Self { n_ctx, n_seqs, devices })
    }

    /// Whether each device has room for a snapshot of one sequence beside the context.
    pub(super) fn has_room_for_whole(&self) -> bool {
        self.devices.values().all(|estimate| {
            let of_one = estimate.context_bytes / u64::from(self.n_seqs.max(1));
            estimate.free_bytes.is_none_or(|free| estimate.total_bytes() + of_one + of_one / 10 <= free)
        })
    }

    /// Refuses what does not fit into the memory that is free.
    ///
    /// # Errors
    /// A device has less free memory than the estimate; the message has both figures.
    pub fn check(&self) -> Result<(), Failure> {
        let short =
            |estimate: &DeviceEstimate| estimate.free_bytes.is_some_and(|free| estimate.total_bytes() > free);
        let Some((name, estimate)) = self.devices.iter().find(|(_, estimate)| short(estimate)) else {
            return Ok(());
        };
        Err(Failure {
            kind: FailureKind::OutOfMemory,
            message: format!(
                "a context of {} takes {} on {name} ({} for its tokens, {} to compute) and {} are free: lower the {}depth \
                 or the batch, use a smaller KV type (q8_0), or free memory",
                self.size(),
                bytes(estimate.total_bytes()),
                bytes(estimate.context_bytes),
                bytes(estimate.compute_bytes),
                bytes(estimate.free_bytes.unwrap_or(0)),
                if self.n_seqs > 1 { "number of sequences (-npl), the " } else { "" },
            ),
        })
    }

    /// `4096 tokens`, `65536 tokens for 16 sequences`.
    fn size(&self) -> String {
        let tokens = count(self.n_ctx as usize, "token");
        match self.n_seqs {
            0 | 1 => tokens,
            n_seqs => format!("{tokens} for {n_seqs} sequences"),
        }
    }
}

impl fmt::Display for MemoryEstimate {
    /// The size of the context, then a line for each device.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "context: {}", self.size())?;
        self.devices.iter().try_for_each(|(name, estimate)| write!(f, "\n{name}: {estimate}"))
    }
}

impl fmt::Display for DeviceEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for the tokens", bytes(self.context_bytes))?;
        if self.partial_bytes > 0 {
            write!(f, " (a snapshot copies {} of it)", bytes(self.partial_bytes))?;
        }
        let free = self.free_bytes.map_or_else(|| "an unknown amount".into(), bytes);
        write!(f, ", {} to compute, {free} free", bytes(self.compute_bytes))
    }
}

/// Tokens between the two sizes that are compared.
const GROWTH: u32 = 1024;

/// Removing positions does not bring back what a sliding window or a recurrent state has forgotten.
pub(super) fn has_partial_state(model: &Model, params: &ContextParams) -> bool {
    let windowed = model.n_swa() > 0 && !params.swa_full;
    model.is_recurrent() || model.is_hybrid() || windowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(context_bytes: u64, compute_bytes: u64, free_bytes: Option<u64>) -> MemoryEstimate {
        let device = DeviceEstimate { context_bytes, partial_bytes: 0, compute_bytes, free_bytes };
        MemoryEstimate { n_ctx: 4096, n_seqs: 1, devices: [("CUDA0".to_owned(), device)].into() }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_figures() {
        let gib = 1 << 30;
        assert!(estimate(gib, gib, Some(2 * gib)).check().is_ok());
        assert!(estimate(gib, gib, None).check().is_ok());
        let refused = estimate(9 * gib, gib, Some(8 * gib)).check().unwrap_err();
        assert_eq!(refused.kind, "out_of_memory");
        for part in ["4096 tokens", "10.00 GiB on CUDA0", "8.00 GiB are free", "q8_0"] {
            assert!(refused.message.contains(part), "{}", refused.message);
        }
    }

    #[test]
    fn several_sequences_are_named_and_can_be_fewer() {
        let many = MemoryEstimate { n_ctx: 65536, n_seqs: 16, ..estimate(9 << 30, 0, Some(8 << 30)) };
        let refused = many.check().unwrap_err().message;
        for part in [
            "65536 tokens for 16 sequences takes 9.00 GiB",
            "lower the number of sequences (-npl), the depth",
        ] {
            assert!(refused.contains(part), "{refused}");
        }
        assert!(many.to_string().starts_with("context: 65536 tokens for 16 sequences\n"), "{many}");
    }

    #[test]
    fn a_snapshot_of_one_sequence_does_not_grow_with_their_number() {
        for shape in ["tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"] {
            let model = crate::testing::tiny(shape).unwrap();
            let partial = |n_seqs: u32| {
                let params = ContextParams::default().n_seq_max(n_seqs);
                let estimate = MemoryEstimate::of(&model, &params, 1024 * n_seqs).unwrap();
                estimate.devices.values().map(|device| device.partial_bytes).sum::<u64>()
            };
            let (one, four) = (partial(1), partial(4));
            assert!(one > 0 && four.abs_diff(one) <= one / 10, "{shape}: {one} and {four} bytes");
        }
    }

    #[test]
    fn each_device_has_a_line() {
        let mut both = estimate(3 << 20, 1 << 19, None);
        let host = DeviceEstimate {
            context_bytes: 2 << 20,
            partial_bytes: 1 << 20,
            compute_bytes: 0,
            free_bytes: Some(9 << 20),
        };
        both.devices.insert("CPU".into(), host);
        let expected = "context: 4096 tokens\n\
            CPU: 2.00 MiB for the tokens (a snapshot copies 1.00 MiB of it), 0.00 KiB to compute, 9.00 MiB free\n\
            CUDA0: 3.00 MiB for the tokens, 512.00 KiB to compute, an unknown amount free";
        assert_eq!(both.to_string(), expected);
    }
}
