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
    let one = (kind, text(), rate(), rate(), rate(), 1..=u32::MAX).prop_map(
        |(kind, data_type, per_second, lower, upper, n)| {
            with!(Ceiling { kind, data_type, per_second, lower, upper, n })
        },
    );
    (text(), option::of(1..=u32::MAX), text(), vec(one, 0..3), option::of(conditions())).prop_map(
        |(device, n_threads, measured_at, rates, conditions)| {
            with!(Ceilings { device, n_threads, measured_at, rates, conditions })
        },
    )
}
