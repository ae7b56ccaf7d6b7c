//! Full contexts, and what is dropped from them.

use super::{
    tests::{FOLDER, ask, chat, context, distance_from_fresh, greedy, load, tiny, wanted},
    *,
};
use crate::{
    gguf::{GgufFile, Shape, Synthetic},
    llama::Model,
};

/// A tiny llama of one layer: its memory of a token knows nothing of the tokens before it: after a shift it is
/// what a fresh context computes.
fn one_layer() -> Model {
    static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
    MODEL
        .get_or_init(|| {
            let (whole, path) = (FOLDER.path().join("whole.gguf"), FOLDER.path().join("one-layer.gguf"));
            Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&whole).unwrap();
            let file = GgufFile::open(&whole).unwrap();
            let own = |key: &str| key.starts_with("general.") || key.starts_with("tokenizer.");
            let mut metadata: Vec<_> = file
                .metadata
                .iter()
                .filter(|(key, _)| !own(key) && key != "llama.block_count")
                .cloned()
                .collect();
            metadata.push(("llama.block_count".into(), crate::gguf::Value::U32(1)));
            let is_kept = |name: &str| !name.starts_with("blk.") || name.starts_with("blk.0.");
            let tensors = file.tensors.iter().filter(|tensor| is_kept(&tensor.name));
            let tensors = tensors.map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type)).collect();
            let shape = Shape::from_parts("one-layer", "llama", metadata, tensors);
            Synthetic::new(shape).vocabulary(true).write_to(&path).unwrap();
            load(&path)
        })
        .clone()
}

/// A conversation of four turns.
fn of_four_turns(model: &Model, system: Option<&str>) -> Conversation {
    let mut chat = chat(model, 1024);
    chat.set_system(system.map(str::to_owned));
    for prompt in ["the first of all", "second", "third", "fourth"] {
        ask(&mut chat, prompt, 8);
    }
    chat
}

#[test]
fn the_memory_moves_up_and_nothing_is_processed_again() {
    let model = one_layer();
    for (system, template) in [(None, true), (Some("Be brief."), true), (Some("Once upon a time"), false)] {
        let mut chat = if template {
            of_four_turns(&model, system)
        } else {
            let mut chat = Conversation::new(context(&model, 1024), greedy(), None).unwrap();
            chat.set_system(system.map(str::to_owned));
            for prompt in [" there was a king", " and a queen", " and", " or"] {
                ask(&mut chat, prompt, 8);
            }
            chat
        };
        let n_before = chat.held_tokens().len();
        let dropped = chat.drop_oldest(2).unwrap();
        assert_eq!((dropped.n_turns, dropped.n_to_process, chat.n_turns()), (2, 0, 2), "{system:?}");
        assert_eq!(chat.held_tokens().len(), n_before - dropped.n_tokens as usize);
        assert_eq!(chat.context().n_past() as usize, chat.held_tokens().len());
        let read = model.vocab().unwrap().detokenize(chat.held_tokens(), true).unwrap();
        assert!(!read.contains("second") && !read.contains("king"), "{read}");
        assert!(system.is_none_or(|system| read.contains(system)), "{read}");
        // As the template writes what is left, and as a fresh context computes it.
        assert!(wanted(&mut chat).starts_with(chat.held_tokens()));
        let n_held = chat.held_tokens().len() as u32;
        let answer = ask(&mut chat, "fifth", 8);
        assert_eq!(answer.n_kept, n_held);
        let distance = distance_from_fresh(&mut chat);
        assert!(distance < 0.02, "{system:?}: {distance}");
    }
}

#[test]
fn what_cannot_shift_is_processed_again() {
    for preset in ["tiny-mamba2", "tiny-granite-hybrid", "tiny-gpt-oss", "tiny-gemma3"] {
        let mut chat = of_four_turns(&tiny(preset), Some("Be brief."));
        let dropped = chat.drop_oldest(2).unwrap();
        assert!(dropped.n_to_process > 0, "{preset}: {dropped:?}");
        let answer = ask(&mut chat, "fifth", 8);
        assert!(answer.n_processed >= dropped.n_to_process, "{preset}: {answer:?} {dropped:?}");
        let distance = distance_from_fresh(&mut chat);
        assert!(distance < 0.02, "{preset}: {distance}");
    }
}

/// A template that does not repeat the system message changes the text at the cut; then nothing may be shifted.
#[test]
fn by_every_template_what_is_left_reads_as_the_template_writes_it() {
    let model = tiny("tiny-llama");
    for name in ChatTemplate::names() {
        let template = ChatTemplate::new(&name).unwrap();
        let mut chat = Conversation::new(context(&model, 1024), greedy(), Some(template)).unwrap();
        chat.set_system(Some("Be brief.".into()));
        for prompt in ["one", "two", "three"] {
            ask(&mut chat, prompt, 3);
        }
        let n_before = wanted(&mut chat).len();
        let freed = chat.turns_to_free(1024 - n_before as u32 + 1).unwrap();
        assert_eq!(freed, Some(1), "{name}");
        let dropped = chat.drop_oldest(1).unwrap();
        let left = wanted(&mut chat);
        assert_eq!(left.len() + dropped.n_tokens as usize, n_before, "{name}");
        let answer = ask(&mut chat, "four", 3);
        assert!(answer.n_processed >= dropped.n_to_process, "{name}");
        assert!(wanted(&mut chat).starts_with(chat.held_tokens()), "{name}");
        assert!(chat.held_tokens().starts_with(&left), "{name}");
        assert_eq!(chat.context().n_past() as usize, chat.held_tokens().len(), "{name}");
    }
}

#[test]
fn an_answer_that_fills_the_context_goes_on_once_turns_are_dropped() {
    for preset in ["tiny-llama", "tiny-mamba2", "tiny-gpt-oss"] {
        let mut chat = chat(&tiny(preset), 256);
        let (mut n_generated, mut n_drops) = (0, 0);
        for prompt in ["one", "two", "three"] {
            ask(&mut chat, prompt, 30);
        }
        let mut answer = ask(&mut chat, "four", 120);
        loop {
            n_generated += answer.n_generated;
            match answer.end {
                AnswerEnd::ContextFull => {
                    assert_eq!(answer.n_used, chat.capacity(), "{preset}");
                    let n_turns = chat.turns_to_free(16).unwrap().unwrap();
                    assert!(n_turns > 0 && n_turns < chat.n_turns(), "{preset}: {n_turns}");
                    chat.drop_oldest(n_turns).unwrap();
                    n_drops += 1;
                    answer = chat.go_on(120 - n_generated, &mut |_| ControlFlow::Continue(())).unwrap();
                    assert!(answer.n_generated > 0, "{preset}");
                }
                AnswerEnd::Finished | AnswerEnd::Limit => break,
                AnswerEnd::Stopped => panic!("{preset}: nobody stopped it"),
            }
        }
        assert!(n_drops > 0 || answer.end == AnswerEnd::Finished, "{preset}: the context was not full");
        assert!(wanted(&mut chat).starts_with(chat.held_tokens()), "{preset}");
    }
}

#[test]
fn a_prompt_that_does_not_fit_says_by_how_much_and_counts_as_not_asked() {
    let mut chat = chat(&tiny("tiny-llama"), 256);
    ask(&mut chat, "one", 60);
    let long = "word ".repeat(40);
    let refused = loop {
        match chat.ask(&long, 4, &mut |_| ControlFlow::Continue(())) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let LlamaError::ContextFull { n_ctx: 256, n_tokens, .. } = refused else { panic!("{refused}") };
    let n_turns = chat.n_turns();
    let to_drop = chat.turns_to_free(n_tokens + 4).unwrap().unwrap();
    assert!(to_drop > 0 && to_drop <= n_turns);
    chat.drop_oldest(to_drop).unwrap();
    ask(&mut chat, &long, 4);
    assert_eq!(chat.turns_to_free(257).unwrap(), None);
    assert!(matches!(chat.drop_oldest(99), Err(LlamaError::Parameter { name: "n_turns", .. })));
    // All of it.
    chat.drop_oldest(chat.n_turns()).unwrap();
    ask(&mut chat, "two", 4);
    assert!(distance_from_fresh(&mut chat) < 0.02);
}
