//! The process ends while threads work: it ends with the status that was asked for.
#![allow(missing_docs)]

mod child_support;
mod llama_support;
mod log_support;

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use child_support::{command, role, told};
use llama_bench_rs::llama::{Backend, Context, ContextParams, Model, ModelParams, StateFlags};
use llama_support::file;
use log_support::on_line;

const TEST: &str = "the_process_ends_while_threads_work";

const WORK: &[&str] = &["decode", "context", "load", "devices", "text", "state"];

fn params() -> ContextParams {
    ContextParams::default().n_ctx(256).n_batch(64).n_ubatch(64).n_threads(2).n_threads_batch(2)
}

/// One round of what a thread does over and over.
fn round(work: &str, model: &Model, context: &mut Option<Context>) {
    let backend = Backend::init().unwrap();
    let fresh = || Context::new(model, &params()).unwrap();
    match work {
        "decode" | "state" => {
            let context = context.get_or_insert_with(fresh);
            context.memory_clear(false);
            // Aborted by the end of the process, they return; the next call does not.
            let _ = context.decode_tokens(&[1; 64]);
            let _ = context.decode_tokens(&[1]);
            if work == "state" {
                let _ = context.state_save(0, StateFlags::empty());
                let _ = context.memory_breakdown();
            }
        }
        "context" => drop(fresh().decode_tokens(&[1])),
        "load" => drop(Model::load_with(model.path(), model.params()).unwrap()),
        "devices" => {
            for device in backend.devices() {
                let _ = (device.name(), device.description(), device.memory_bytes(), device.backend_name());
            }
            let _ = (backend.names(), backend.cpu_info());
        }
        "text" => {
            let vocab = model.vocab().unwrap();
            let tokens = vocab.tokenize(&"some text <|im_start|>".repeat(20), true, true).unwrap();
            vocab.detokenize(&tokens, true).unwrap();
        }
        other => panic!("{other}"),
    }
}

/// Lets threads work, and ends the process after this many rounds: by returning from `main`, or by `exit`.
fn child(role: &str) {
    let [work, rounds, end] = role.split(' ').collect::<Vec<_>>()[..] else { panic!("{role}") };
    let rounds: u32 = rounds.parse().unwrap();
    let model = Model::load(file("tiny-llama", true)).unwrap();
    let done = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let (model, work, done) = (model.clone(), work.to_owned(), done.clone());
        thread::spawn(move || {
            let mut context = None;
            loop {
                round(&work, &model, &mut context);
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while done.load(Ordering::Relaxed) < rounds {
        thread::yield_now();
    }
    match end {
        "return" => {}
        "exit" => process::exit(7),
        // From within a call into llama.cpp.
        "listener" => {
            let exit = &mut |_| process::exit(7);
            let _ = Model::load_with_progress(model.path(), &ModelParams::default(), exit);
        }
        // From within a line of llama.cpp's log.
        "subscriber" => {
            tracing::subscriber::set_global_default(on_line(|_| process::exit(7))).unwrap();
            let _ = Model::load(model.path());
        }
        // While the thread's own handles are dropped.
        "local" => {
            struct ExitOnDrop(#[allow(dead_code)] Context);
            impl Drop for ExitOnDrop {
                fn drop(&mut self) {
                    process::exit(7);
                }
            }
            thread_local!(static LAST: std::cell::RefCell<Option<ExitOnDrop>> = const { std::cell::RefCell::new(None) });
            let exit = move || {
                LAST.with(|last| {
                    *last.borrow_mut() = Some(ExitOnDrop(Context::new(&model, &params()).unwrap()));
                });
            };
            let _ = thread::spawn(exit).join();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_process_ends_while_threads_work() {
    if let Some(role) = role() {
        return child(&role);
    }
    let roles = WORK.iter().flat_map(|work| {
        let ends = (0..4).map(|rounds| (rounds * 3 + 1, "return"));
        ends.chain([(2, "exit"), (5, "listener"), (6, "subscriber"), (8, "local")])
            .map(move |(rounds, end)| format!("{work} {rounds} {end}"))
    });
    for role in roles {
        let output = command(TEST, &role, ":").output().unwrap();
        let expected = if role.ends_with("return") { 0 } else { 7 };
        assert_eq!(output.status.code(), Some(expected), "{role}: {}", told(&output));
    }
}

/// Locks of threads that wait for llama.cpp do not block `exit`.
#[test]
fn a_listener_that_waits_for_the_end_does_not_hold_it_up() {
    if role().is_some() {
        let model = Model::load(file("tiny-llama", false)).unwrap();
        let (told, wait) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let never = &mut |_| {
                told.send(()).unwrap();
                loop {
                    thread::park();
                }
            };
            let _ = Model::load_with_progress(model.path(), &ModelParams::default(), never);
        });
        wait.recv().unwrap();
        process::exit(9);
    }
    let output =
        command("a_listener_that_waits_for_the_end_does_not_hold_it_up", "child", ":").output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{}", told(&output));
}

/// What is written last is not lost.
#[test]
fn buffered_output_is_kept() {
    if role().is_some() {
        let model = Model::load(file("tiny-llama", false)).unwrap();
        thread::spawn(move || {
            let mut context = Context::new(&model, &params()).unwrap();
            loop {
                context.memory_clear(false);
                let _ = context.decode_tokens(&[1; 64]);
            }
        });
        print!("not a whole line");
        return;
    }
    let output = command("buffered_output_is_kept", "child", ":").output().unwrap();
    let told = told(&output);
    assert!(output.status.success() && told.contains("not a whole line"), "{told}");
}
