//! States that would make llama.cpp end the process, in every layout in memory.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::llama::{Batch, Context, FlashAttn, LlamaError, StateFlags};
use llama_support::{params, tiny};

fn put(context: &mut Context, seq: i32, from: u32, n: u32) {
    let mut batch = Batch::new();
    (from..from + n).for_each(|position| batch.add(1 + position as i32, position, &[seq], false).unwrap());
    context.decode(&batch).unwrap();
}

fn next(context: &mut Context, seq: i32) -> Vec<f32> {
    let mut batch = Batch::new();
    batch.add(9, context.pos_max(seq).unwrap().unwrap() + 1, &[seq], true).unwrap();
    context.decode(&batch).unwrap();
    context.logits(-1).unwrap().to_vec()
}

fn assert_close(what: &str, value: &[f32], right: &[f32]) {
    let largest = right.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let apart = value.iter().zip(right).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && apart < largest / 100.0, "{what} is {apart} of {largest} off");
}

/// The same number of cells in one piece, in two, and in many.
#[test]
fn cells_may_lie_anywhere() {
    for (shape, flash_attn) in ["tiny-llama", "tiny-gemma3", "tiny-granite-hybrid"]
        .into_iter()
        .flat_map(|shape| [(shape, FlashAttn::Off), (shape, FlashAttn::On)])
    {
        let params = params(256).n_seq_max(2).kv_unified(true).flash_attn(flash_attn);
        let mut context = Context::new(&tiny(shape), &params).unwrap();
        let mut right = Vec::new();
        for piece in [16, 8, 4, 2, 1] {
            context.memory_clear(false);
            for from in (0..16).step_by(piece as usize) {
                put(&mut context, 0, from, piece);
                put(&mut context, 1, from, piece);
            }
            let state = context.state_save(0, StateFlags::ON_DEVICE).unwrap();
            let value = next(&mut context, 0);
            if right.is_empty() {
                right.clone_from(&value);
            }
            assert_close(shape, &value, &right);
            context.memory_clear(true);
            put(&mut context, 1, 0, 3);
            context.state_restore(&state).unwrap();
            assert_eq!(context.pos_max(0).unwrap(), Some(15));
            assert_close(shape, &next(&mut context, 0), &right);
        }
    }
}

/// A window that wraps around lies in one piece or two, and keeps its size.
#[test]
fn windows_are_saved_at_every_depth() {
    for (shape, flash_attn) in ["tiny-gpt-oss", "tiny-gemma3"]
        .into_iter()
        .flat_map(|shape| [(shape, FlashAttn::Off), (shape, FlashAttn::On)])
    {
        let flags = StateFlags::ON_DEVICE | StateFlags::PARTIAL_ONLY;
        let mut context = Context::new(&tiny(shape), &params(1024).flash_attn(flash_attn)).unwrap();
        for _ in 0..16 {
            context.decode_tokens(&[1; 49]).unwrap();
            let (n_past, state) = (context.n_past(), context.state_save(0, flags).unwrap());
            let right = next(&mut context, 0);
            context.state_restore(&state).unwrap();
            assert!(context.memory_seq_rm(0, n_past, None).unwrap());
            assert_close(shape, &next(&mut context, 0), &right);
            assert!(context.memory_seq_rm(0, n_past, None).is_ok());
            context.state_restore(&state).unwrap();
        }
    }
}

/// Every second position removed: as many pieces as cells.
#[test]
fn cells_may_lie_apart() {
    for flash_attn in [FlashAttn::Off, FlashAttn::On] {
        let mut context = Context::new(&tiny("tiny-llama"), &params(256).flash_attn(flash_attn)).unwrap();
        for _ in 0..2 {
            context.memory_clear(false);
            put(&mut context, 0, 0, 64);
            (1..63).step_by(2).for_each(|at| assert!(context.memory_seq_rm(0, at, Some(at + 1)).unwrap()));
            let state = context.state_save(0, StateFlags::ON_DEVICE).unwrap();
            let right = next(&mut context, 0);
            context.memory_clear(true);
            context.state_restore(&state).unwrap();
            assert_close("apart", &next(&mut context, 0), &right);
        }
    }
}

/// Runs itself again with little memory: the state is saved, or an error says that memory ran out.
#[test]
#[cfg(target_os = "linux")]
fn memory_may_run_out_while_a_state_is_saved() {
    use std::{fs, process::Command};
    const CHILD: &str = "LLAMA_BENCH_RS_TEST_MEMORY";
    const MIB: usize = 1 << 20;
    let mut context = Context::new(&tiny("tiny-llama"), &params(1024).flash_attn(FlashAttn::On)).unwrap();
    (0..16).for_each(|_| context.decode_tokens(&[1; 64]).unwrap());
    let state = context.state_save(0, StateFlags::empty()).unwrap().into_bytes();
    if std::env::var_os(CHILD).is_some() {
        // All that is left, in blocks that can be given back.
        let blocks = |size: usize| {
            let block = move || {
                let mut block = Vec::<u8>::new();
                block.try_reserve_exact(size).is_ok().then_some(block)
            };
            let mut all = Vec::with_capacity(1024);
            all.extend(std::iter::from_fn(block).take(1024));
            all
        };
        let (mut large, small) = (blocks(MIB), blocks(MIB / 16));
        drop(small);
        let (mut n_saved, mut n_refused) = (0, 0);
        while large.pop().is_some() && n_saved < 8 {
            for flags in [StateFlags::ON_DEVICE, StateFlags::empty()] {
                match context.state_save(0, flags) {
                    Ok(_) => n_saved += 1,
                    Err(LlamaError::OutOfMemory { .. }) => n_refused += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        context.state_restore_bytes(&state, 0, StateFlags::empty()).unwrap();
        assert!(n_refused >= 2 && n_saved >= 8, "{n_refused} refused, {n_saved} saved");
        return;
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    let peak: usize = peak.split_whitespace().next().unwrap().parse().unwrap();
    // The peak of this process, in which other tests may run, and some to take away.
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {}; exec \"$0\" \"$@\"", peak + 64 * 1024)])
        .arg(std::env::current_exe().unwrap())
        .args(["--nocapture", "--test-threads=1", "--exact", "memory_may_run_out_while_a_state_is_saved"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

/// llama.cpp restores a state of no tokens without removing those that are there.
#[test]
fn a_state_of_no_tokens_leaves_none() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2", "tiny-granite-hybrid"] {
        for unified in [false, true] {
            let params = params(256).n_seq_max(2).kv_unified(unified);
            let mut context = Context::new(&tiny(shape), &params).unwrap();
            let nothing = context.state_save(1, StateFlags::empty()).unwrap();
            put(&mut context, 0, 0, 3);
            put(&mut context, 1, 0, 5);
            context.state_restore(&nothing).unwrap();
            assert_eq!(
                (context.pos_max(0).unwrap(), context.pos_max(1).unwrap()),
                (Some(2), None),
                "{shape}"
            );
            put(&mut context, 1, 0, 5);
            context.state_restore_bytes(nothing.as_bytes().unwrap(), 1, StateFlags::empty()).unwrap();
            assert_eq!(context.pos_max(1).unwrap(), None, "{shape}");
            // Nothing of before may be seen from a new beginning.
            put(&mut context, 1, 0, 2);
            let mut fresh = Context::new(&tiny(shape), &params).unwrap();
            put(&mut fresh, 1, 0, 2);
            assert_close(shape, &next(&mut context, 1), &next(&mut fresh, 1));
        }
    }
}
