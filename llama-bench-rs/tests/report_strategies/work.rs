//! What repetitions compute and move, and the most that devices do.

use llama_bench_rs::{record::*, with};
use proptest::{collection::vec, option, prelude::*};

use super::{conditions, text};

pub fn cell_work() -> impl Strategy<Value = CellWork> {
    let product = (text(), text(), any::<u64>(), any::<u64>())
        .prop_map(|(op, data_type, n, flops)| with!(Product { op, data_type, n, flops }));
    let device = (text(), vec(any::<u64>(), 6), vec(product, 0..3)).prop_map(|(device, bytes, products)| {
        with!(DeviceWork {
            device,
            weight_bytes: bytes[0],
            kv_read_bytes: bytes[1],
            kv_write_bytes: bytes[2],
            state_bytes: bytes[3],
            activation_bytes: bytes[4],
            copied_bytes: bytes[5],
            products,
        })
    });
    let uncounted = prop::collection::btree_map(text(), any::<u64>(), 0..3);
    (any::<u32>(), vec(device, 0..3), uncounted)
        .prop_map(|(n_graphs, devices, uncounted)| with!(CellWork { n_graphs, devices, uncounted }))
}

pub fn ceilings() -> impl Strategy<Value = Ceilings> {
    let kind = prop::sample::select(vec![CeilingKind::Copy, CeilingKind::Read, CeilingKind::Product]);
    let rate = || (1..1_000_000u32).prop_map(|n| f64::from(n) / 8.0);
    let one = (kind, text(), rate(), rate(), rate(), 1..=u32::MAX, any::<Option<bool>>()).prop_map(
        |(kind, data_type, per_second, lower, upper, n, disturbed)| {
            with!(Ceiling { kind, data_type, per_second, lower, upper, n, disturbed })
        },
    );
    (text(), option::of(1..=u32::MAX), text(), vec(one, 0..3), option::of(conditions())).prop_map(
        |(device, n_threads, measured_at, rates, conditions)| {
            with!(Ceilings { device, n_threads, measured_at, rates, conditions })
        },
    )
}

pub fn profile() -> impl Strategy<Value = Profile> {
    let kind = || prop::sample::select(vec![BlockKind::Attention, BlockKind::Experts, BlockKind::Other]);
    let block =
        (kind(), text(), option::of(any::<u32>()), any::<u32>(), any::<u64>(), option::of(any::<u64>()))
            .prop_map(|(kind, device, layer, n_stops, traced_ns, elapsed_ns)| {
                with!(BlockTime { kind, device, layer, n_stops, traced_ns, elapsed_ns })
            });
    let copy = (text(), text(), any::<u32>(), any::<u64>(), any::<u64>())
        .prop_map(|(from, to, n, bytes, elapsed_ns)| with!(CopyTime { from, to, n, bytes, elapsed_ns }));
    let operation = (kind(), (text(), text(), text()), any::<u32>(), any::<u64>(), option::of(any::<u64>()))
        .prop_map(|(block, (op, data_type, device), n, traced_ns, elapsed_ns)| {
            with!(OperationTime { block, op, data_type, device, n, traced_ns, elapsed_ns })
        });
    let operations = (any::<u64>(), any::<u32>(), any::<u64>(), vec(operation, 0..3)).prop_map(
        |(traced_ns, n_stops, stop_ns, operations)| {
            with!(OperationTimes { traced_ns, n_stops, stop_ns, operations })
        },
    );
    let times = || vec(any::<u64>(), 0..3);
    let numbers = (any::<u32>(), any::<u32>(), any::<u64>(), any::<i64>(), any::<u64>());
    (numbers, times(), times(), vec(block, 0..3), vec(copy, 0..2), option::of(operations)).prop_map(
        |(
            (n_tokens, n_stops, stop_ns, unexplained_ns, outside_ns),
            plain_ns,
            traced_ns,
            blocks,
            copies,
            operations,
        )| {
            with!(Profile {
                n_tokens,
                plain_ns,
                traced_ns,
                n_stops,
                stop_ns,
                unexplained_ns,
                outside_ns,
                blocks,
                copies,
                operations,
            })
        },
    )
}
