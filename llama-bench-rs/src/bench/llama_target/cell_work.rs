//! The work of a test, from what llama.cpp's graphs say.

use std::collections::BTreeMap;

use crate::{
    bench::plan::start,
    llama::{CellCount, CellCounts, CellPart, CellTest, Context, LlamaError},
    record::{CellWork, DeviceWork, Failure, Product, Test},
};

/// Counts the work of a test in an empty context that has room for it, `n_at_once` tokens of a prompt in one decode; or says
/// why that cannot be counted.
pub(in crate::bench) fn counted(
    context: &mut Context,
    test: &Test,
    n_at_once: u32,
) -> Result<Result<CellWork, String>, Failure> {
    let counts = context.cell_work(CellTest {
        n_tokens: test.kind.n_tokens(),
        n_depth: test.n_depth,
        n_shared: start(test),
        n_seqs: test.n_parallel,
        n_at_once,
        is_generation: test.kind.is_generation(),
        is_embedding: test.kind.is_embedding(),
    });
    match counts {
        Ok(counts) => Ok(Ok(of_counts(counts))),
        Err(LlamaError::Unsupported { why, .. }) => Ok(Err(why)),
        Err(error) => Err(error.into()),
    }
}

fn of_counts(counts: CellCounts) -> CellWork {
    let mut devices: BTreeMap<String, DeviceWork> = BTreeMap::new();
    let mut uncounted = BTreeMap::new();
    for CellPart { what, device, op, data_type, n, amount } in counts.parts {
        let of_device = devices
            .entry(device)
            .or_insert_with_key(|device| DeviceWork { device: device.clone(), ..DeviceWork::default() });
        match what {
            CellCount::Weights => of_device.weight_bytes += amount,
            CellCount::KvRead => of_device.kv_read_bytes += amount,
            CellCount::KvWrite => of_device.kv_write_bytes += amount,
            CellCount::State => of_device.state_bytes += amount,
            CellCount::Activation => of_device.activation_bytes += amount,
            CellCount::Copied => of_device.copied_bytes += amount,
            CellCount::Product => of_device.products.push(Product { op, data_type, n, flops: amount }),
            CellCount::Uncounted => *uncounted.entry(op).or_insert(0) += n,
        }
    }
    CellWork { n_graphs: counts.n_graphs, devices: devices.into_values().collect(), uncounted }
}
