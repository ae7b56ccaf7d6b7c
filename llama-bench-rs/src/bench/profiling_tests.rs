use super::*;

const STOP_US: u64 = 10;

/// A repetition whose blocks follow each other, each with the cost of a stop; `gaps` are before them.
fn traced(blocks: &[(BlockKind, &str, u32, u64)], gap_us: u64) -> Traced {
    let us = Duration::from_micros;
    let mut now = us(5);
    let mut stops: Vec<Stop> = Vec::new();
    for &(block, device, layer, time) in blocks {
        let source = stops.last().map(|stop| stop.device.clone()).filter(|before| before != device);
        if source.is_some() {
            now += us(gap_us);
        }
        let begun = now;
        now += us(time + STOP_US);
        let copied_bytes = if source.is_some() { 64 } else { 0 };
        stops.push(Stop {
            op: "MUL_MAT".into(),
            device: device.into(),
            source,
            block,
            layer: Some(layer),
            copied_bytes,
            begun,
            ended: now,
            ..Stop::default()
        });
    }
    Traced { elapsed: now, stops }
}

const BLOCKS: [(BlockKind, &str, u32, u64); 4] = [
    (BlockKind::Attention, "GPU", 0, 100),
    (BlockKind::FeedForward, "GPU", 0, 200),
    (BlockKind::Attention, "GPU", 1, 100),
    (BlockKind::FeedForward, "CPU", 1, 3),
];

fn profile(layers: bool) -> Profile {
    let by_layer = [(BlockKind::FeedForward, "GPU", 0, 300), (BlockKind::FeedForward, "GPU", 1, 103)];
    let plain = Duration::from_micros(408);
    let repetitions = Repetitions {
        plain: vec![plain; 3],
        by_block: vec![traced(&BLOCKS, 0); 3],
        by_layer: vec![traced(&by_layer, 0); 3],
        operations: Some(traced(&BLOCKS, 0)),
        dearest_stop: None,
    };
    repetitions.profile(8, Profiling { layers, ..Profiling::default() })
}

#[test]
fn the_cost_of_stops_is_calibrated_and_subtracted() {
    let profile = profile(false);
    assert_eq!((profile.stop_ns, profile.n_stops, profile.unexplained_ns), (10_000, 4, 0));
    assert_eq!(profile.of(BlockKind::Attention), Some(200_000));
    assert_eq!(profile.plain(), Some(408_000));
    assert_eq!(profile.traced(), Some(448_000));
    assert_eq!(profile.outside_ns, 5_000);
}

#[test]
fn a_stop_costs_no_more_than_where_that_is_known_well() {
    let plain = vec![Duration::from_micros(408); 3];
    let by_block = vec![traced(&BLOCKS, 0); 3];
    let of = |us: u64| {
        let dearest_stop = Some(Duration::from_micros(us));
        let (plain, by_block) = (plain.clone(), by_block.clone());
        Repetitions { plain, by_block, dearest_stop, ..Repetitions::default() }.stop_ns()
    };
    assert_eq!((of(4), of(50)), (4_000, 10_000));
}

#[test]
fn a_block_shorter_than_its_stops_has_no_time() {
    let profile = profile(false);
    let on_cpu = profile.blocks.iter().find(|block| block.device == "CPU").unwrap();
    assert_eq!((on_cpu.traced_ns, on_cpu.elapsed_ns), (13_000, None));
    assert_eq!(profile.of(BlockKind::FeedForward), None, "a sum without a part of it would be too small");
}

#[test]
fn a_block_whose_repetitions_differ_by_more_than_it_takes_has_no_time() {
    let of = |us: u64| traced(&[(BlockKind::Output, "CPU", 0, us)], 0);
    let plain = vec![Duration::from_micros(35); 3];
    let same = Repetitions { plain, by_block: vec![of(30); 3], ..Repetitions::default() };
    assert_eq!(same.profile(1, Profiling::default()).of(BlockKind::Output), Some(30_000));
    let apart = Repetitions { by_block: vec![of(30), of(30), of(90)], ..same };
    assert_eq!(apart.profile(1, Profiling::default()).of(BlockKind::Output), None);
}

#[test]
fn layers_are_apart_if_that_is_asked_for() {
    let layers: Vec<_> = profile(true).blocks.iter().map(|block| (block.kind, block.layer)).collect();
    let expected = [
        (BlockKind::Attention, Some(0)),
        (BlockKind::FeedForward, Some(0)),
        (BlockKind::Attention, Some(1)),
        (BlockKind::FeedForward, Some(1)),
    ];
    assert_eq!(layers, expected);
    assert_eq!(profile(false).blocks.len(), 3, "of one kind, but on another device");
}

#[test]
fn what_passes_before_another_device_begins_is_a_copy() {
    let by_block = vec![traced(&BLOCKS, 40); 3];
    let repetitions =
        Repetitions { by_block, plain: vec![Duration::from_micros(448)], ..Repetitions::default() };
    let copies = repetitions.profile(1, Profiling::default()).copies;
    let expected = CopyTime { from: "GPU".into(), to: "CPU".into(), n: 1, bytes: 64, elapsed_ns: 40_000 };
    assert_eq!(copies, [expected]);
}

#[test]
fn operations_are_summed_and_the_longest_come_first() {
    let times = profile(false).operations.unwrap();
    assert_eq!((times.n_stops, times.stop_ns), (4, 10_000));
    let found: Vec<_> = times.operations.iter().map(|it| (it.device.as_str(), it.n, it.elapsed_ns)).collect();
    assert_eq!(found, [("GPU", 2, Some(200_000)), ("GPU", 1, Some(200_000)), ("CPU", 1, None)]);
}

#[test]
fn nothing_traced_is_no_time() {
    let profile = Repetitions::default().profile(1, Profiling::default());
    assert_eq!((profile.plain(), profile.stop_ns, profile.blocks.len()), (None, 0, 0));
}
