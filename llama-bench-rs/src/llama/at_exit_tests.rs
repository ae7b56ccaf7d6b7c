use std::{
    process::{self, Command},
    sync::OnceLock,
};

use super::*;
use crate::{llama::Model, testing::tiny};

static MODEL: OnceLock<Model> = OnceLock::new();

extern "C" fn use_model() {
    if let Some(model) = MODEL.get() {
        println!("{} devices", crate::llama::Backend::init().unwrap().devices().len());
        println!("{} bytes", model.size_bytes());
    }
}

fn register_use() {
    // SAFETY: a static function that does not unwind.
    unsafe { libc::atexit(use_model) };
}

/// Handlers of `exit` on both sides of the destructors: those before may use llama.cpp, and one after them ends the
/// process with the status that it was to have.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn handlers_that_use_llama_cpp_neither_crash_nor_hang() {
    const ROLE: &str = "LLAMA_BENCH_RS_TEST_EXIT_HANDLER";
    if let Ok(role) = std::env::var(ROLE) {
        if role == "before" {
            register_use();
        }
        assert!(MODEL.set(tiny("tiny-llama").unwrap()).is_ok());
        if role == "after" {
            register_use();
        }
        process::exit(7);
    }
    for role in ["before", "after"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--nocapture", "--exact"])
            .arg("llama::at_exit::tests::handlers_that_use_llama_cpp_neither_crash_nor_hang")
            .env(ROLE, role)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(7), "{role}: {said}");
        assert_eq!(said.contains("bytes"), role == "after", "{said}");
    }
}

#[test]
fn calls_nest_and_listeners_do_not_count() {
    let depth = || DEPTH.get();
    let outer = enter();
    {
        let _inner = enter();
        assert_eq!(depth(), 2);
        outside(|| {
            assert_eq!(depth(), 0);
            let _again = enter();
            assert_eq!(depth(), 1);
        });
        assert_eq!(depth(), 2);
        let panicked = std::panic::catch_unwind(|| outside(|| panic!("of a listener")));
        assert!(panicked.is_err());
        assert_eq!(depth(), 2);
    }
    drop(outer);
    assert_eq!(depth(), 0);
    outside(|| assert_eq!(depth(), 0));
}
