//! The way of a device, taken on the host: llama.cpp keeps tensor data in buffers of its own.

use super::{
    Batch, Context, ContextParams, FlashAttn, LlamaError, Model, ModelParams, StateFlags, state::Rows,
};
use crate::gguf::{Shape, Synthetic};

fn model(shape: &str) -> Model {
    let path = Synthetic::new(Shape::preset(shape).unwrap()).cached().unwrap();
    Model::load_with(path, &ModelParams::default().no_devices(true)).unwrap()
}

fn params(flash_attn: FlashAttn) -> ContextParams {
    let params = ContextParams::default().n_ctx(768).n_batch(64).n_ubatch(64).flash_attn(flash_attn);
    params.n_threads(1).n_threads_batch(1)
}

fn next(context: &mut Context, seq: i32) -> Vec<f32> {
    let mut batch = Batch::new();
    batch.add(9, context.pos_max(seq).unwrap().unwrap() + 1, &[seq], true).unwrap();
    context.decode(&batch).unwrap();
    context.logits(-1).unwrap().to_vec()
}

#[test]
fn every_row_of_a_memory_is_seen() {
    for shape in ["tiny-llama", "tiny-gpt-oss", "tiny-gemma3", "tiny-granite-hybrid", "tiny-mamba2"] {
        for (unified, flash_attn) in [(false, FlashAttn::On), (true, FlashAttn::Off)] {
            let params = params(flash_attn).n_seq_max(3).kv_unified(unified);
            let mut context = Context::new(&model(shape), &params).unwrap();
            match context.rows() {
                Rows::Whole { smallest: usize::MAX } => {
                    assert_eq!(shape, "tiny-mamba2", "no row is an attention's");
                }
                Rows::Whole { smallest } => {
                    assert!(smallest >= 32 && smallest % 32 == 0, "{shape}: {smallest}");
                }
                Rows::Ragged => panic!("{shape}"),
            }
            // The graph that was built to look at leaves the context as it was.
            context.decode_tokens(&[1, 2, 3]).unwrap();
            assert!(context.logits(-1).is_some());
        }
    }
}

#[test]
fn what_cannot_be_proven_safe_on_a_device_is_refused() {
    let is_refused = |shape: &str, flash_attn: FlashAttn, flags: StateFlags| {
        let mut context = Context::new(&model(shape), &params(flash_attn)).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        match context.save(0, flags | StateFlags::ON_DEVICE, true) {
            Ok(_) => false,
            Err(LlamaError::Unsupported { .. }) => true,
            Err(other) => panic!("{shape}: {other}"),
        }
    };
    let (whole, partial) = (StateFlags::empty(), StateFlags::PARTIAL_ONLY);
    for (shape, flags, refused_without_flash_attention) in [
        ("tiny-llama", whole, true),
        ("tiny-gpt-oss", partial, true),
        ("tiny-granite-hybrid", whole, true),
        ("tiny-granite-hybrid", partial, false),
        ("tiny-mamba2", whole, false),
    ] {
        assert!(!is_refused(shape, FlashAttn::On, flags), "{shape}");
        assert_eq!(is_refused(shape, FlashAttn::Off, flags), refused_without_flash_attention, "{shape}");
    }
}

/// Sizes stay and pieces change: the buffer of the snapshot before serves the next one.
#[test]
fn snapshots_on_a_device_are_right_however_they_lie() {
    for (shape, flags) in [
        ("tiny-llama", StateFlags::empty()),
        ("tiny-gemma3", StateFlags::empty()),
        ("tiny-gemma3", StateFlags::PARTIAL_ONLY),
        ("tiny-granite-hybrid", StateFlags::empty()),
    ] {
        let params = params(FlashAttn::On).n_seq_max(2).kv_unified(true);
        let mut context = Context::new(&model(shape), &params).unwrap();
        for piece in [16, 8, 1, 4, 16] {
            context.memory_clear(false);
            let mut batch = Batch::new();
            for from in (0..32).step_by(piece) {
                for seq in 0..2 {
                    for at in from..from + piece {
                        batch.add(at as i32, at as u32, &[seq], false).unwrap();
                    }
                }
            }
            context.decode(&batch).unwrap();
            let state = context.save(0, flags | StateFlags::ON_DEVICE, true).unwrap();
            assert!(state.size_bytes() < 4096, "{shape}: {} bytes on the host", state.size_bytes());
            let right = next(&mut context, 0);
            context.state_restore(&state).unwrap();
            assert!(context.memory_seq_rm(0, 32, None).unwrap());
            let value = next(&mut context, 0);
            let largest = right.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let close = value.iter().zip(&right).all(|(a, b)| (a - b).abs() < largest / 100.0);
            assert!(largest > 0.0 && close, "{shape} in pieces of {piece}");
        }
    }
}

#[test]
fn a_device_without_room_is_an_error() {
    let context = Context::new(&model("tiny-llama"), &params(FlashAttn::On)).unwrap();
    for (on_device, on_host) in [(1 << 60, 0), (0, 1 << 60), (usize::MAX, 0), (0, usize::MAX)] {
        let refused = context.check_room(0, "saved", on_device, on_host).unwrap_err();
        assert!(matches!(refused, LlamaError::OutOfMemory { .. }), "{refused}");
    }
    context.check_room(0, "saved", 1 << 20, 1 << 20).unwrap();
}
