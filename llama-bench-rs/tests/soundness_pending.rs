//! Work that llama.cpp puts off is done before anything reads or forgets its result.
#![allow(missing_docs)]

mod llama_support;

use llama_bench_rs::llama::{Batch, Context, StateFlags};
use llama_support::{decode, next, params, tiny};

const SHAPES: [&str; 5] = ["tiny-llama", "tiny-gpt-oss", "tiny-gemma3", "tiny-mamba2", "tiny-granite-hybrid"];
const PROMPT: [i32; 7] = [1, 2, 3, 4, 5, 6, 7];
const OTHER: [i32; 7] = [90, 91, 92, 93, 94, 95, 96];

fn context(shape: &str, unified: bool) -> Context {
    Context::new(&tiny(shape), &params(768).n_seq_max(3).kv_unified(unified)).unwrap()
}

/// Sums may be added in another order if cells lie elsewhere.
fn assert_close(shape: &str, what: &str, value: &[f32], right: &[f32]) {
    let largest = right.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let apart = value.iter().zip(right).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && apart < largest / 100.0, "{shape}: {what} is {apart} of {largest} off");
}

#[test]
fn copies_are_there_at_once() {
    for (shape, unified) in SHAPES.iter().flat_map(|shape| [(*shape, false), (*shape, true)]) {
        let mut context = context(shape, unified);
        decode(&mut context, 0, &PROMPT);
        let right = next(&mut context, 0);
        let check = |what: &str, value: Vec<f32>| assert_close(shape, what, &value, &right);
        let flags = StateFlags::empty();
        let fresh = |context: &mut Context| {
            context.memory_clear(true);
            decode(context, 0, &PROMPT);
        };

        fresh(&mut context);
        context.memory_seq_copy(0, 1).unwrap();
        let early = context.state_save(1, flags).unwrap();
        let on_device = context.state_save(1, flags | StateFlags::ON_DEVICE).unwrap();
        check("the copy itself", next(&mut context, 1));
        context.memory_clear(true);
        context.state_restore(&early).unwrap();
        check("a copy saved early", next(&mut context, 1));
        context.memory_clear(true);
        context.state_restore(&on_device).unwrap();
        check("a copy saved early on the device", next(&mut context, 1));

        fresh(&mut context);
        context.memory_seq_copy(0, 1).unwrap();
        context.memory_seq_copy(1, 2).unwrap();
        assert!(context.memory_seq_rm(0, 0, None).unwrap());
        decode(&mut context, 0, &OTHER);
        check("a chain of copies", next(&mut context, 2));
        check("its middle", next(&mut context, 1));

        // Restored, cleared or overwritten by a copy: no earlier copy is made after it.
        for forget in 0..3 {
            context.memory_clear(true);
            decode(&mut context, 0, &OTHER);
            context.memory_seq_copy(0, 1).unwrap();
            match forget {
                0 => {}
                1 => context.memory_clear(false),
                _ => assert!(context.memory_seq_rm(1, 0, None).unwrap()),
            }
            context.state_restore(&early).unwrap();
            check("a state restored over a copy", next(&mut context, 1));
        }
        context.memory_clear(true);
        decode(&mut context, 0, &OTHER);
        decode(&mut context, 2, &PROMPT);
        context.memory_seq_copy(0, 1).unwrap();
        context.memory_seq_copy(2, 1).unwrap();
        check("a copy over a copy", next(&mut context, 1));

        // The copy is of what was there when it was asked for.
        fresh(&mut context);
        context.memory_seq_copy(0, 1).unwrap();
        context.memory_clear(false);
        decode(&mut context, 1, &PROMPT);
        check("decoded after copy and clear", next(&mut context, 1));
        fresh(&mut context);
        context.memory_seq_copy(0, 1).unwrap();
        context.memory_seq_copy(0, 0).unwrap();
        drop(context);
    }
}

#[test]
fn part_of_a_copy_can_be_removed() {
    for (shape, unified) in ["tiny-llama", "tiny-gemma3"].into_iter().flat_map(|s| [(s, false), (s, true)]) {
        let mut context = context(shape, unified);
        decode(&mut context, 0, &PROMPT[..4]);
        let right = next(&mut context, 0);
        context.memory_clear(true);
        decode(&mut context, 0, &PROMPT);
        context.memory_seq_copy(0, 1).unwrap();
        assert!(context.memory_seq_rm(1, 4, None).unwrap());
        assert_eq!((context.pos_max(0).unwrap(), context.pos_max(1).unwrap()), (Some(6), Some(3)));
        assert_close(shape, "the rest of a copy", &next(&mut context, 1), &right);
        // An empty sequence empties another.
        context.memory_clear(true);
        decode(&mut context, 0, &PROMPT);
        context.memory_seq_copy(2, 0).unwrap();
        assert_eq!(context.pos_max(0).unwrap(), None);
        decode(&mut context, 0, &PROMPT[..4]);
        assert_close(shape, "a sequence emptied by a copy", &next(&mut context, 0), &right);
    }
}

#[test]
fn outputs_outlive_a_copy() {
    for embeddings in [false, true] {
        let params = params(768).n_seq_max(3).n_ubatch(4).embeddings(embeddings);
        let mut context = Context::new(&tiny("tiny-llama"), &params).unwrap();
        // Sequences in turn: computed one after the other, and put back into the batch's order when asked for.
        let mut batch = Batch::new();
        for position in 0..4 {
            for seq in [2, 0, 1] {
                batch.add(10 * seq + position as i32, position, &[seq], true).unwrap();
            }
        }
        context.decode(&batch).unwrap();
        let outputs = |context: &mut Context| -> Vec<Vec<f32>> {
            (0..12).map(|i| context.logits(i).unwrap().to_vec()).collect()
        };
        let right = outputs(&mut context);
        context.memory_clear(false);
        context.decode(&batch).unwrap();
        context.memory_seq_copy(0, 1).unwrap();
        assert!(outputs(&mut context) == right);
    }
}
