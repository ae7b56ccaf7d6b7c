//! Which ceilings a configuration needs.

use crate::{
    gguf::TensorType,
    llama::{ContextParams, Device, DeviceKind, KvType, Model},
    record::{Ceiling, CeilingKind},
};

/// Matrices that a cache may hold, in bytes. A cell whose weights and keys are as small is not bound by the memory.
const CACHED_ON_CPU: [u64; 6] = [1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28];
const CACHED_ON_GPU: [u64; 3] = [1 << 22, 1 << 24, 1 << 26];

/// The next larger physical batch whose product is measured beside that of the configuration's.
const LARGER: u32 = 4;
const LARGEST: u32 = 2048;

/// Prompts of so many tokens at once are computed by the first GPU although the host holds the weights
/// (`GGML_OP_OFFLOAD_MIN_BATCH`).
const OFFLOADED: u32 = 32;

/// One ceiling to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) kind: CeilingKind,
    pub(super) data_type: TensorType,
    /// As [`Ceiling::n_columns`].
    pub(super) n_columns: Option<u32>,
    /// As [`Ceiling::matrix_bytes`].
    pub(super) matrix_bytes: Option<u64>,
}

impl Rate {
    fn of(kind: CeilingKind, data_type: TensorType) -> Self {
        Self { kind, data_type, n_columns: None, matrix_bytes: None }
    }

    /// Whether this is what was measured.
    pub(super) fn is(&self, measured: &Ceiling) -> bool {
        measured.subject() == (self.kind, self.data_type.name(), self.n_columns, self.matrix_bytes)
    }
}

/// A device that computes a part of a model, and what is to be known of it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) device: Device,
    /// Threads of the CPU; `None` for other devices.
    pub(super) n_threads: Option<u32>,
    pub(super) rates: Vec<Rate>,
}

impl Wanted {
    /// For each device that holds layers of the model, or computes prompts with weights that the host holds. Those of other
    /// machines are left out: their network is in the way.
    pub(super) fn all(model: &Model, context: &ContextParams) -> Vec<Self> {
        let mut held: Held = Vec::new();
        for tensor in model.placed_tensors() {
            // Only the rows of the tokens are read of these, wherever they are.
            if tensor.name.contains("token_embd") {
                continue;
            }
            add(&mut held, tensor.device, (tensor.data_type, tensor.n_bytes));
        }
        let n_ubatch = context.n_ubatch.min(context.n_batch);
        if context.op_offload && n_ubatch >= OFFLOADED {
            let is_host = |device: &Device| device.kind() == DeviceKind::Cpu;
            let of_host =
                held.iter().filter(|(device, _)| is_host(device)).flat_map(|(_, types)| types.clone());
            let (of_host, first) = (of_host.collect::<Vec<_>>(), model.devices().into_iter().next());
            if let Some(gpu) = first.filter(|gpu| !is_host(gpu)) {
                of_host.into_iter().for_each(|part| add(&mut held, gpu, part));
            }
        }
        let is_here = |device: &Device| device.server().is_none() && !device.backend_name().is_empty();
        held.retain(|(device, _)| is_here(device));
        let of = |(device, types): (Device, Vec<(TensorType, u64)>)| {
            let is_cpu = device.kind() == DeviceKind::Cpu;
            let n_threads = is_cpu.then(|| context.n_threads.max(context.n_threads_batch));
            let cached: &[u64] = if is_cpu { &CACHED_ON_CPU } else { &CACHED_ON_GPU };
            let kv = [context.type_k, context.type_v].map(of_kv);
            Self { device, n_threads, rates: rates(&types, kv, n_ubatch, cached) }
        };
        held.into_iter().map(of).collect()
    }
}

/// Devices with the types of the weights that they compute with, and the bytes of each.
type Held = Vec<(Device, Vec<(TensorType, u64)>)>;

fn add(held: &mut Held, device: Device, (data_type, n_bytes): (TensorType, u64)) {
    let at = held.iter().position(|(known, _)| *known == device).unwrap_or_else(|| {
        held.push((device, Vec::new()));
        held.len() - 1
    });
    let types = &mut held[at].1;
    match types.iter_mut().find(|(known, _)| *known == data_type) {
        Some((_, known)) => *known += n_bytes,
        None => types.push((data_type, n_bytes)),
    }
}

fn of_kv(kv: KvType) -> Option<TensorType> {
    let name = kv.name();
    TensorType::ALL.iter().copied().find(|known| known.name() == name)
}

/// The ceilings for weights of these types, each with its bytes.
fn rates(
    types: &[(TensorType, u64)],
    kv: [Option<TensorType>; 2],
    n_ubatch: u32,
    cached: &[u64],
) -> Vec<Rate> {
    use CeilingKind::{Copy, Product, Read};
    let main = types.iter().max_by_key(|(_, n_bytes)| *n_bytes).map_or(TensorType::F16, |(of, _)| *of);
    let mut wanted = vec![Rate::of(Copy, TensorType::F32)];
    for data_type in [TensorType::F16, main] {
        wanted.push(Rate::of(Read, data_type));
        let of_size = |&n| Rate { matrix_bytes: Some(n), ..Rate::of(Read, data_type) };
        wanted.extend(cached.iter().map(of_size));
    }
    let others = [TensorType::F16, TensorType::BF16].into_iter().chain(kv.into_iter().flatten());
    let products = types.iter().map(|(of, _)| *of).chain(others);
    wanted.extend(products.map(|data_type| Rate::of(Product, data_type)));
    let larger = n_ubatch.saturating_mul(LARGER).min(LARGEST);
    let columns = [n_ubatch, larger].into_iter().filter(|_| larger > n_ubatch);
    wanted.extend(columns.map(|n| Rate { n_columns: Some(n), ..Rate::of(Product, main) }));
    let mut once: Vec<Rate> = Vec::new();
    for rate in wanted {
        if !once.contains(&rate) {
            once.push(rate);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_model_is_wanted_once_and_the_main_one_at_two_batches() {
        let types = [(TensorType::F32, 10), (TensorType::Q4_K, 900), (TensorType::F16, 90)];
        let kv = [Some(TensorType::F16), Some(TensorType::Q8_0)];
        let wanted = rates(&types, kv, 128, &[1 << 20]);
        let of = |kind| wanted.iter().filter(move |rate| rate.kind == kind);
        let plain = of(CeilingKind::Product).filter(|rate| rate.n_columns.is_none());
        let products: Vec<TensorType> = plain.map(|rate| rate.data_type).collect();
        use TensorType::{BF16, F16, F32, Q4_K, Q8_0};
        assert_eq!(products, [F32, Q4_K, F16, BF16, Q8_0]);
        let columns = of(CeilingKind::Product).filter_map(|rate| Some((rate.data_type, rate.n_columns?)));
        assert_eq!(columns.collect::<Vec<_>>(), [(Q4_K, 128), (Q4_K, 512)]);
        let reads: Vec<_> = of(CeilingKind::Read).map(|rate| (rate.data_type, rate.matrix_bytes)).collect();
        assert_eq!(reads, [(F16, None), (F16, Some(1 << 20)), (Q4_K, None), (Q4_K, Some(1 << 20))]);
        assert_eq!(of(CeilingKind::Copy).count(), 1);
    }

    #[test]
    fn a_batch_that_is_large_already_is_not_compared_with_a_larger_one() {
        let wanted = rates(&[(TensorType::F16, 1)], [None; 2], 2048, &[]);
        assert!(wanted.iter().all(|rate| rate.n_columns.is_none()));
        let wanted = rates(&[(TensorType::F16, 1)], [None; 2], 1024, &[]);
        let columns: Vec<u32> = wanted.iter().filter_map(|rate| rate.n_columns).collect();
        assert_eq!(columns, [1024, 2048]);
    }
}
