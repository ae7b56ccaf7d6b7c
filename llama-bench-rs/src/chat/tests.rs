//! Conversations with tiny models of every kind of memory.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::*;
use crate::{
    gguf::{GgufFile, Shape, Synthetic, Value},
    llama::{ContextParams, Model, ModelParams, SamplerParams},
};

pub(super) static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// On the CPU alone: the same numbers on every machine.
pub(super) fn load(path: &Path) -> Model {
    Model::load_with(path, &ModelParams::default().no_devices(true)).unwrap()
}

/// A tiny model with a vocabulary, made once.
pub(super) fn tiny(preset: &str) -> Model {
    static MADE: Mutex<Vec<(String, Model)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, model)) = made.iter().find(|(name, _)| name == preset) {
        return model.clone();
    }
    let path = FOLDER.path().join(format!("{preset}.gguf"));
    Synthetic::new(Shape::preset(preset).unwrap()).vocabulary(true).write_to(&path).unwrap();
    let model = load(&path);
    made.push((preset.into(), model.clone()));
    model
}

pub(super) fn context(model: &Model, n_ctx: u32) -> Context {
    let params = ContextParams::default().n_ctx(n_ctx).n_batch(64).n_ubatch(64);
    Context::new(model, &params.n_threads(1).n_threads_batch(1)).unwrap()
}

pub(super) fn greedy() -> Sampler {
    Sampler::new(&SamplerParams::default()).unwrap()
}

/// By the template in the file.
pub(super) fn chat(model: &Model, n_ctx: u32) -> Conversation {
    Conversation::new(context(model, n_ctx), greedy(), Some(ChatTemplate::of(model).unwrap())).unwrap()
}

pub(super) fn ask(chat: &mut Conversation, prompt: &str, limit: u32) -> Answer {
    chat.ask(prompt, limit, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// All that is said, as tokens.
pub(super) fn wanted(chat: &mut Conversation) -> Vec<Token> {
    chat.script.tokens(&mut chat.turns).unwrap()
}

/// The largest difference between the logits of the conversation's latest token and those of a context that decoded the
/// same tokens at once, by the spread of the latter.
pub(super) fn distance_from_fresh(chat: &mut Conversation) -> f32 {
    let mut fresh = context(chat.context().model(), chat.context().n_ctx());
    for chunk in chat.held_tokens().chunks(64) {
        fresh.decode_tokens(chunk).unwrap();
    }
    let expected = fresh.logits(-1).unwrap();
    let spread =
        expected.iter().copied().fold(f32::MIN, f32::max) - expected.iter().copied().fold(f32::MAX, f32::min);
    let found = chat.held.logits();
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / spread
}

/// Templates may trim messages, write answers in the history otherwise than new ones, or put the system message into the
/// first prompt.
#[test]
fn each_turn_processes_what_is_new_alone_by_every_template() {
    let model = tiny("tiny-llama");
    let names = ChatTemplate::names();
    assert!(names.iter().any(|name| name == "chatml") && names.iter().any(|name| name == "gpt-oss"));
    let templates = names.iter().map(|name| Some(ChatTemplate::new(name).unwrap())).chain([None]);
    for template in templates {
        let name = template.as_ref().map_or("none", |template| template.text()).to_owned();
        let mut chat = Conversation::new(context(&model, 1024), greedy(), template).unwrap();
        chat.set_system(Some(" Be brief. ".into()));
        let mut n_used = 0;
        for prompt in ["Hello, you!", "  and \u{e9}\u{4e16} again\n", "bye"] {
            let answer = ask(&mut chat, prompt, 5);
            assert_eq!(answer.n_kept, n_used, "{name}: all that was there is kept");
            n_used = answer.n_used;
            assert_eq!(n_used as usize, chat.held_tokens().len());
            assert_eq!(chat.context().n_past(), n_used);
        }
        assert!(wanted(&mut chat).starts_with(chat.held_tokens()), "{name}");
    }
}

#[test]
fn the_context_is_as_if_all_had_been_processed_at_once() {
    for preset in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2", "tiny-granite-hybrid", "tiny-gemma3"] {
        let mut chat = chat(&tiny(preset), 1024);
        for prompt in ["one", "two", "three"] {
            ask(&mut chat, prompt, 12);
        }
        let distance = distance_from_fresh(&mut chat);
        assert!(distance < 0.02, "{preset}: {distance}");
        // Takes back what recurrent states and sliding windows cannot, and says otherwise what before.
        chat.undo();
        let again = ask(&mut chat, "another thing", 12);
        assert!(again.n_kept == 0 || preset != "tiny-mamba2", "{preset}: {again:?}");
        let distance = distance_from_fresh(&mut chat);
        assert!(distance < 0.02, "{preset}, after undo: {distance}");
    }
}

#[test]
fn what_the_template_writes_is_what_the_model_reads() {
    let model = tiny("tiny-llama");
    let mut chat = chat(&model, 1024);
    chat.set_system(Some("Be brief.".into()));
    ask(&mut chat, "one", 4);
    ask(&mut chat, "two", 4);
    let messages = chat.messages();
    let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant"]);
    let text_of = |tokens: &[Token]| {
        // This vocabulary begins every text with a space.
        model.vocab().unwrap().detokenize(tokens, true).unwrap().replace("> ", ">")
    };
    let read = text_of(&wanted(&mut chat));
    for part in
        ["<|im_start|>system\nBe brief.<|im_end|>", "<|im_start|>user\none<|im_end|>", "user\ntwo<|im_end|>"]
    {
        assert!(read.contains(part), "no {part:?} in {read:?}");
    }
    assert_eq!(read.matches("<|im_start|>assistant\n").count(), 2, "{read:?}");

    // Another system message is another beginning.
    chat.set_system(Some("Be verbose.".into()));
    let answer = ask(&mut chat, "three", 4);
    assert!(answer.n_kept < answer.n_processed, "{answer:?}");
    let read = text_of(chat.held_tokens());
    assert!(read.contains("Be verbose.") && !read.contains("Be brief."), "{read:?}");
}

#[test]
fn an_answer_that_was_cut_goes_on_where_it_ended() {
    let model = tiny("tiny-llama");
    let mut whole = chat(&model, 512);
    let expected = ask(&mut whole, "Hello", 24);
    let mut parts = chat(&model, 512);
    let mut text = String::new();
    let first = parts
        .ask("Hello", 7, &mut |piece| {
            text.push_str(piece);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((first.end, first.n_generated), (AnswerEnd::Limit, 7));
    let more = parts
        .go_on(17, &mut |piece| {
            text.push_str(piece);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(more.n_processed, 1, "the last token of the first part");
    assert_eq!(text, format!("{}{}", first.text, more.text));
    assert_eq!(text, expected.text);
    assert_eq!(wanted(&mut parts), wanted(&mut whole));
    assert_eq!(parts.messages(), whole.messages());
    assert!(first.generation_rate().is_some() && first.processing_rate().is_some());
}

#[test]
fn an_answer_can_be_stopped_while_it_comes_and_while_the_prompt_is_read() {
    let mut chat = chat(&tiny("tiny-llama"), 512);
    ask(&mut chat, "one", 4);
    let mut n_pieces = 0;
    let stopped = chat
        .ask("two", 100, &mut |_| {
            n_pieces += 1;
            if n_pieces == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((stopped.end, n_pieces, chat.n_turns()), (AnswerEnd::Stopped, 3, 2));

    // From another thread, while a token is computed or between two.
    let flag = chat.stop_flag();
    let stopped = chat
        .ask("three", 100, &mut |_| {
            flag.store(true, Ordering::Relaxed);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(stopped.end, AnswerEnd::Stopped);
    assert!(!flag.load(Ordering::Relaxed), "cleared by the turn that it stopped");
    let n_kept = chat.held_tokens().len();

    flag.store(true, Ordering::Relaxed);
    let stopped = ask(&mut chat, "four", 100);
    assert_eq!((stopped.end, stopped.n_generated, stopped.first_token), (AnswerEnd::Stopped, 0, None));
    assert_eq!((stopped.n_processed, stopped.processing_rate()), (0, None), "none of the prompt");
    assert_eq!(chat.n_turns(), 3, "it counts as not asked");
    let answer = ask(&mut chat, "five", 4);
    assert_eq!(answer.n_kept as usize, n_kept);
    assert!(distance_from_fresh(&mut chat) < 0.02);
}

/// llama.cpp gives up in the middle of a batch.
#[test]
fn a_prompt_that_is_stopped_within_a_decode_leaves_a_sound_conversation() {
    for preset in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2", "tiny-granite-hybrid"] {
        let mut chat = chat(&tiny(preset), 1024);
        ask(&mut chat, "one", 4);
        let tokens: Vec<Token> = (300..500).collect();
        // The context sees the flag, the check before the decode does not: it was set in between.
        chat.stop.store(true, Ordering::Relaxed);
        let has_all = chat.held.decode(&tokens, &AtomicBool::new(false)).unwrap();
        assert!(!has_all && chat.held_tokens().len() < 200, "{preset}");
        assert_eq!(chat.context().n_past() as usize, chat.held_tokens().len(), "{preset}");
        chat.stop.store(false, Ordering::Relaxed);
        ask(&mut chat, "two", 4);
        assert!(distance_from_fresh(&mut chat) < 0.02, "{preset}");
    }
}

#[test]
fn what_cannot_be_asked_changes_nothing() {
    let model = tiny("tiny-llama");
    let mut chat = chat(&model, 512);
    assert!(matches!(chat.go_on(4, &mut |_| ControlFlow::Continue(())), Err(LlamaError::Unsupported { .. })));
    ask(&mut chat, "one", 4);
    let before = chat.held_tokens().to_vec();
    let refused = chat.ask("a\0b", 4, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(refused.to_string().contains("NUL"), "{refused}");
    assert_eq!((chat.held_tokens(), chat.n_turns()), (&before[..], 1));
    // Characters that stand in for answers elsewhere are a prompt's own.
    let answer = ask(&mut chat, "\u{F0000}\u{F0001} and \u{F0000}", 4);
    assert_eq!(answer.n_kept as usize, before.len());
    ask(&mut chat, "two", 4);
    let read = model.vocab().unwrap().detokenize(chat.held_tokens(), true).unwrap();
    assert!(read.contains("\u{F0000}\u{F0001} and \u{F0000}"), "{read:?}");

    chat.reset();
    assert_eq!((chat.n_turns(), chat.held_tokens().len(), chat.context().n_past()), (0, 0, 0));
    assert!(!chat.undo());
    // Processed, and nothing generated.
    let none = ask(&mut chat, "one", 0);
    assert_eq!((none.n_generated, none.first_token, none.generation_rate()), (0, None, None));
    assert!(none.n_processed > 0 && none.end == AnswerEnd::Limit);
}

#[test]
fn models_that_do_not_chat_are_refused() {
    for preset in ["tiny-bert", "tiny-t5", "tiny-t5-encoder", "tiny-llada"] {
        let model = tiny(preset);
        let refused = Conversation::new(context(&model, 64), greedy(), None).unwrap_err();
        assert!(refused.to_string().contains("use a chat model"), "{preset}: {refused}");
    }
}

/// A tiny llama whose vocabulary also ends texts with a token.
fn ending_texts() -> Model {
    let (first, path) = (FOLDER.path().join("ends-not.gguf"), FOLDER.path().join("ends.gguf"));
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).vocabulary(true).write_to(&first).unwrap();
    let file = GgufFile::open(&first).unwrap();
    let mut metadata: Vec<_> =
        file.metadata.iter().filter(|(key, _)| !key.starts_with("general.")).cloned().collect();
    for (key, value) in &mut metadata {
        if key == "tokenizer.ggml.add_eos_token" {
            *value = Value::Bool(true);
        }
    }
    let tensors = file.tensors.iter().map(|t| (t.name.clone(), t.dims.clone(), t.tensor_type)).collect();
    Synthetic::new(Shape::from_parts("ends", "llama", metadata, tensors)).write_to(&path).unwrap();
    load(&path)
}

#[test]
fn a_text_begins_once_and_does_not_end_before_the_answer() {
    let model = ending_texts();
    let vocab = model.vocab().unwrap();
    let (bos, eos) = (vocab.bos().unwrap(), vocab.eos().unwrap());
    assert_eq!(vocab.tokenize("a", true, true).unwrap().last(), Some(&eos), "it ends texts");
    let mut chats = [chat(&model, 512), Conversation::new(context(&model, 512), greedy(), None).unwrap()];
    for chat in &mut chats {
        // A prompt taken as it is may begin with the token itself.
        let prompt = if chat.template().is_none() { "<s> one" } else { "one" };
        ask(chat, prompt, 0);
        let held = chat.held_tokens();
        assert_eq!(held.iter().filter(|&&token| token == bos).count(), 1, "{held:?}");
        assert!(held[0] == bos && !held.contains(&eos), "{held:?}");
    }
}
