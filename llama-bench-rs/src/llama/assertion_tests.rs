//! Failed assertions of llama.cpp in a program that has another user of it.

use std::os::unix::process::ExitStatusExt;

use super::*;

const NOTE: &str = "not by llama-bench-rs";

/// They fail an assertion.
fn they_abort() {
    // SAFETY: a format without arguments.
    unsafe { sys::ggml_abort(c"theirs.cpp".as_ptr(), 7, c"their assertion".as_ptr()) };
}

unsafe extern "C" fn their_callback(message: *const c_char) {
    // SAFETY: ggml passes a NUL-terminated string.
    eprintln!("they heard {}", unsafe { CStr::from_ptr(message) }.to_string_lossy());
}

static BEFORE: Mutex<sys::ggml_abort_callback_t> = Mutex::new(None);

unsafe extern "C" fn their_callback_and_ours(message: *const c_char) {
    // SAFETY: called by ggml, as both are.
    unsafe {
        their_callback(message);
        let before = *BEFORE.lock().unwrap();
        before.unwrap()(message);
    }
}

/// What a process that aborts says on standard error; `None` in that process.
#[track_caller]
fn said(test: &str, role: &str, body: impl FnOnce(&str)) -> Option<String> {
    let output = alone(&format!("assertions::{test}"), role, body)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.signal(), Some(6), "{said}");
    Some(said)
}

#[test]
fn their_assertion_is_said_to_be_theirs() {
    let said = said("their_assertion_is_said_to_be_theirs", "", |_| {
        Backend::init().unwrap();
        they_abort();
    });
    if let Some(said) = said {
        assert!(said.contains(NOTE) && said.contains("theirs.cpp:7: their assertion"), "{said}");
    }
}

#[test]
fn their_callback_is_called() {
    for role in ["before", "after"] {
        let said = said("their_callback_is_called", role, |role| {
            let set = || {
                // SAFETY: a static function.
                unsafe { sys::ggml_set_abort_callback(Some(their_callback)) };
            };
            if role == "before" {
                set();
                Backend::init().unwrap();
            } else {
                Backend::init().unwrap();
                set();
                install();
            }
            they_abort();
        });
        if let Some(said) = said {
            assert!(said.contains(NOTE) && said.contains("they heard theirs.cpp:7"), "{role}: {said}");
        }
    }
}

#[test]
fn callbacks_that_call_each_other_come_to_an_end() {
    let said = said("callbacks_that_call_each_other_come_to_an_end", "", |_| {
        Backend::init().unwrap();
        // SAFETY: static functions.
        *BEFORE.lock().unwrap() = unsafe { sys::ggml_set_abort_callback(Some(their_callback_and_ours)) };
        install();
        they_abort();
    });
    if let Some(said) = said {
        assert_eq!(said.matches("they heard").count(), 1, "{said}");
        assert_eq!(said.matches(NOTE).count(), 1, "{said}");
    }
}

/// It may be one of ours that another thread computes for.
#[test]
fn an_assertion_while_we_compute_is_said_to_be_nobodys() {
    let said = said("an_assertion_while_we_compute_is_said_to_be_nobodys", "", |_| {
        Backend::init().unwrap();
        let (begun, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _inside = crate::llama::at_exit::enter();
            begun.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        wait.recv().unwrap();
        they_abort();
    });
    if let Some(said) = said {
        assert!(said.contains("their assertion") && !said.contains(NOTE), "{said}");
    }
}

/// An exception would pass through frames of Rust that no exception may pass.
#[test]
fn no_exception_is_thrown_into_a_listener_that_uses_llama_cpp() {
    let said = said("no_exception_is_thrown_into_a_listener_that_uses_llama_cpp", "", |_| {
        let (_folder, path) = file();
        Backend::init().unwrap();
        // As another library does, at every line that it gets.
        tracing::subscriber::with_default(on_line(|_| they_abort()), || {
            let _ = Model::load(&path);
        });
    });
    if let Some(said) = said {
        assert!(said.contains("their assertion") && said.contains(NOTE), "{said}");
    }
}
