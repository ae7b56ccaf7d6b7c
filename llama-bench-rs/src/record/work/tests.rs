use super::*;
use crate::record::DeviceMemory;

fn nodes(n: u32, op: &str, data_type: &str, device: &str, weights: &str) -> Nodes {
    let weights = Some(weights.to_owned()).filter(|weights| !weights.is_empty());
    Nodes { op: op.into(), data_type: data_type.into(), device: device.into(), weights, n }
}

/// A model of four layers on a GPU.
fn on_gpu() -> Vec<Nodes> {
    vec![
        nodes(8, "ADD", "f32", "CUDA0", ""),
        nodes(4, FLASH_ATTENTION, "f16", "CUDA0", ""),
        nodes(1, "GET_ROWS", "q4_K", "CPU", "CPU_Mapped"),
        nodes(24, "MUL_MAT", "q4_K", "CUDA0", "CUDA0"),
        nodes(4, "MUL_MAT", "q6_K", "CUDA0", "CUDA0"),
        nodes(9, "RMS_NORM", "f32", "CUDA0", ""),
    ]
}

fn header(nodes: Vec<Nodes>) -> Header {
    let graph = |kind, n_tokens| Work {
        kind,
        n_tokens,
        n_splits: 2,
        nodes: nodes.clone(),
        copies: vec![Copies { from: "CPU".into(), to: "CUDA0".into(), n: 3, bytes: None }],
        results: Vec::new(),
        strays: Vec::new(),
    };
    let work = vec![graph(WorkKind::Prompt, 512), graph(WorkKind::Generation, 1)];
    Header { work, ..Header::default() }
}

fn said(before: &Header, after: &Header) -> Vec<(bool, String)> {
    changes(before, after).iter().map(|change| (change.is_loss(), change.to_string())).collect()
}

fn loss(text: &str) -> (bool, String) {
    (true, text.to_owned())
}

fn other(text: &str) -> (bool, String) {
    (false, text.to_owned())
}

#[test]
fn equal_or_unknown_work_has_no_changes() {
    let known = header(on_gpu());
    assert_eq!(said(&known, &known), []);
    assert_eq!(said(&known, &Header::default()), []);
    assert_eq!(said(&Header::default(), &known), []);
    // Nor is a kind of test that only one run has.
    let mut alone = known.clone();
    alone.work.truncate(1);
    assert_eq!(said(&known, &alone), []);
}

#[test]
fn operations_that_left_a_gpu_are_losses_and_those_that_came_are_not() {
    let mut fewer = on_gpu();
    fewer[3].n = 12;
    fewer[5].n = 6;
    fewer.push(nodes(12, "MUL_MAT", "q4_K", "CPU", "CPU_REPACK"));
    fewer.push(nodes(3, "RMS_NORM", "f32", "CPU", ""));
    let (all, fewer) = (header(on_gpu()), header(fewer));
    assert_eq!(said(&all, &fewer), [loss("12 MUL_MAT and 3 RMS_NORM moved from CUDA0 to the CPU")]);
    assert_eq!(said(&fewer, &all), [other("12 MUL_MAT and 3 RMS_NORM moved from the CPU to CUDA0")]);
    let mut elsewhere = on_gpu();
    elsewhere.iter_mut().filter(|it| it.device == "CUDA0").for_each(|it| it.device = "CUDA1".into());
    let moved = "28 MUL_MAT, 9 RMS_NORM, 8 ADD and 4 FLASH_ATTN_EXT moved from CUDA0 to CUDA1";
    assert_eq!(said(&all, &header(elsewhere)), [other(moved)]);
}

#[test]
fn operations_that_left_and_changed_their_type_at_once_are_losses_too() {
    let mut after = on_gpu();
    after[3] = nodes(24, "MUL_MAT", "q8_0", "CPU", "CPU");
    assert_eq!(
        said(&header(on_gpu()), &header(after)),
        [
            loss("24 MUL_MAT moved from CUDA0 to the CPU"),
            other("24 MUL_MAT compute with q8_0 and did with q4_K")
        ]
    );
}

#[test]
fn flash_attention_is_told_from_fewer_layers() {
    let mut off = on_gpu();
    off[1] = nodes(8, "MUL_MAT", "f16", "CUDA0", "");
    off.push(nodes(4, "SOFT_MAX", "f32", "CUDA0", ""));
    let (on, off) = (header(on_gpu()), header(off));
    let became = "4 x FLASH_ATTN_EXT became 12 nodes (8 MUL_MAT and 4 SOFT_MAX)";
    assert_eq!(said(&on, &off), [loss(&format!("flash attention is off: {became}"))]);
    assert_eq!(
        said(&off, &on),
        [other("flash attention is on: 12 nodes (8 MUL_MAT and 4 SOFT_MAX) became 4 x FLASH_ATTN_EXT")]
    );
    let mut in_part = on_gpu();
    in_part[1].n = 1;
    in_part.push(nodes(6, "MUL_MAT", "f16", "CUDA0", ""));
    in_part.push(nodes(3, "SOFT_MAX", "f32", "CUDA0", ""));
    let became = "3 x FLASH_ATTN_EXT became 9 nodes (6 MUL_MAT and 3 SOFT_MAX)";
    assert_eq!(
        said(&on, &header(in_part)),
        [loss(&format!("flash attention is off in part, 1 nodes are left: {became}"))]
    );
    let mut shorter = on_gpu();
    shorter[1].n = 2;
    assert_eq!(said(&on, &header(shorter)), [other("FLASH_ATTN_EXT of f16 on CUDA0: 4 became 2")]);
}

#[test]
fn attention_that_left_a_gpu_with_flash_attention_on_is_a_loss() {
    let mut after = on_gpu();
    after[1].device = "CPU".into();
    assert_eq!(
        said(&header(on_gpu()), &header(after)),
        [loss("4 FLASH_ATTN_EXT moved from CUDA0 to the CPU")]
    );
}

#[test]
fn repacking_is_read_from_the_buffer_of_the_weights() {
    let with = |buffer: &str| header(vec![nodes(48, "MUL_MAT", "q4_K", "CPU", buffer)]);
    for special in ["CPU_REPACK", "AMX", "CPU_KLEIDIAI"] {
        for plain in ["CPU", "CPU_Mapped", "CUDA_Host"] {
            let (special, plain) = (with(special), with(plain));
            assert!(said(&special, &plain)[0].1.starts_with("48 MUL_MAT of q4_K are no longer repacked: "));
            assert!(said(&special, &plain)[0].0);
            assert!(said(&plain, &special)[0].1.starts_with("48 MUL_MAT of q4_K are repacked: "));
            assert!(!said(&plain, &special)[0].0);
        }
    }
    assert_eq!(
        said(&with("CPU_Mapped"), &with("CPU")),
        [other("the weights of 48 MUL_MAT of q4_K are in CPU and were in CPU_Mapped")]
    );
}

#[test]
fn what_is_in_one_kind_of_test_alone_says_so() {
    let before = header(on_gpu());
    let mut after = before.clone();
    let prompt = &mut after.work[0];
    (prompt.n_tokens, prompt.n_splits, prompt.copies[0].n) = (128, 9, 12);
    prompt.nodes[0].n = 9;
    prompt.nodes.push(nodes(2, "SCALE", "f32", "CPU", ""));
    assert_eq!(
        said(&before, &after),
        [
            other("ADD of f32 on CUDA0: 8 became 9 (prompt)"),
            other("SCALE of f32 on the CPU: 2 new (prompt)"),
            other("128 tokens are computed at once and 512 were (prompt)"),
            other("the graph is split into 9 parts and was into 2 (prompt)"),
            other("12 tensors are copied from the CPU to CUDA0 and 3 were (prompt)"),
        ]
    );
}

#[test]
fn sizes_of_buffers_are_named_unless_only_padding_changed() {
    let with = |model_bytes, context_bytes, compute_bytes| {
        let mut header = header(on_gpu());
        let memory = DeviceMemory { model_bytes, context_bytes, compute_bytes };
        header.resolved.memory.insert("CUDA0".into(), memory);
        header
    };
    let mib = 1 << 20;
    let before = with(100 * mib, 10 * mib, 20 * mib);
    assert_eq!(said(&before, &with(100 * mib + 64, 10 * mib, 20 * mib + 4096)), []);
    assert_eq!(
        said(&before, &with(90 * mib, 20 * mib, 30 * mib)),
        [
            other("the weights on CUDA0 shrank from 100.00 MiB to 90.00 MiB"),
            other("the KV buffer on CUDA0 grew from 10.00 MiB to 20.00 MiB"),
            other("the compute buffer on CUDA0 grew from 20.00 MiB to 30.00 MiB"),
        ]
    );
    // A device that only one run uses has nothing of the other; a run without any sizes is not compared.
    let mut none = before.clone();
    none.resolved.memory.clear();
    assert_eq!(said(&before, &none), []);
}

#[test]
fn a_damaged_record_is_compared_without_overflow() {
    let most = |device: &str| vec![nodes(u32::MAX, "MUL_MAT", "q4_K", device, ""); 3];
    let (before, after) = (header(most("CUDA0")), header([most("CPU"), most("CUDA1")].concat()));
    assert!(!said(&before, &after).is_empty() && !said(&after, &before).is_empty());
    assert_eq!(before.work[0].n_nodes(), 3 * u64::from(u32::MAX));
}
