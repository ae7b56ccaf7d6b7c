//! Another user of llama.cpp in the same program, which has listeners of its own. They are the whole process's, so each test
//! runs in one.

use std::{
    env,
    ffi::{CStr, CString, c_char, c_void},
    panic,
    process::{Command, Output},
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering},
    },
};

use super::super::log_support::on_line;
use super::{Listen, ON_LOG, as_c, has_log, install};
use crate::{
    gguf::{Shape, Synthetic},
    llama::{Backend, Context, ContextParams, KvOverride, LlamaError, Model, ModelParams, sys},
};

const CHILD: &str = "LLAMA_BENCH_RS_TEST_HOOKS";

/// Runs a test's body in a process of its own, which gets this role, and returns what that said; `None` in there.
fn alone(test: &str, role: &str, body: impl FnOnce(&str)) -> Option<Output> {
    if let Ok(role) = env::var(CHILD) {
        body(&role);
        return None;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--nocapture", "--exact", &format!("llama::hooks::tests::{test}")]);
    // A debugger would be started for the trace of calls.
    Some(child.env(CHILD, role).env("GGML_NO_BACKTRACE", "1").output().unwrap())
}

/// The same for a test that is to pass there.
#[track_caller]
fn passes_alone(test: &str, body: impl FnOnce()) {
    if let Some(output) = alone(test, "", |_| body()) {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    }
}

static N_HEARD: AtomicU32 = AtomicU32::new(0);
static HEARD: Mutex<String> = Mutex::new(String::new());
static DATA: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Another library's listener, which counts and keeps what it gets.
unsafe extern "C-unwind" fn theirs(_level: sys::ggml_log_level, text: *const c_char, data: *mut c_void) {
    N_HEARD.fetch_add(1, Ordering::SeqCst);
    DATA.store(data, Ordering::SeqCst);
    // SAFETY: llama.cpp passes a NUL-terminated string.
    HEARD.lock().unwrap().push_str(&unsafe { CStr::from_ptr(text) }.to_string_lossy());
}

/// One that passes everything on to ours, as to the one that was there before it.
unsafe extern "C-unwind" fn theirs_and_ours(
    level: sys::ggml_log_level,
    text: *const c_char,
    data: *mut c_void,
) {
    // SAFETY: called by llama.cpp, as both are.
    unsafe {
        theirs(level, text, data);
        ON_LOG(level, text, data);
    }
}

unsafe extern "C-unwind" fn panics(_: sys::ggml_log_level, _: *const c_char, _: *mut c_void) {
    panic!("of a listener");
}

fn listen_with(listener: Listen, data: *mut c_void) {
    // SAFETY: a static function, and data that it does not follow.
    unsafe { sys::llama_log_set(as_c(listener), data) };
}

/// What they got since the last time.
fn heard() -> u32 {
    HEARD.lock().unwrap().clear();
    N_HEARD.swap(0, Ordering::SeqCst)
}

fn file() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
    (folder, path)
}

/// They load a model and free it.
fn they_load(path: &std::path::Path) {
    let path = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a NUL-terminated path, and a model that is freed once.
    unsafe {
        let params = sys::llama_model_params { n_gpu_layers: 0, ..sys::llama_model_default_params() };
        sys::llama_model_free(sys::llama_model_load_from_file(path.as_ptr(), params));
    }
}

fn small() -> ContextParams {
    ContextParams::default().n_ctx(64).n_batch(32).n_ubatch(32).n_threads(1).n_threads_batch(1)
}

#[test]
fn each_hears_the_lines_of_its_own_calls() {
    passes_alone("each_hears_the_lines_of_its_own_calls", || {
        let (_folder, path) = file();
        let mut data = 7;
        let data = (&raw mut data).cast::<c_void>();
        listen_with(theirs, data);
        Backend::init().unwrap();
        heard();
        let model = Model::load(&path).unwrap();
        assert_eq!(heard(), 0, "a load of ours is not theirs");
        they_load(&path);
        assert!(heard() > 10, "their load is");
        assert_eq!(DATA.load(Ordering::SeqCst), data, "with their data");

        // They take it over: ours comes in front again with the next load or context.
        listen_with(theirs, ptr::null_mut());
        assert!(!has_log());
        let context = Context::new(&model, &small()).unwrap();
        assert!(has_log());
        assert_eq!(heard(), 0);
        they_load(&path);
        assert!(heard() > 10);
        assert!(DATA.load(Ordering::SeqCst).is_null());
        drop(context);
        assert_eq!(heard(), 0);
    });
}

#[test]
fn each_hears_its_own_threads() {
    passes_alone("each_hears_its_own_threads", || {
        let (_folder, path) = file();
        listen_with(theirs, ptr::null_mut());
        Backend::init().unwrap();
        they_load(&path);
        let n_lines = heard();
        assert!(n_lines > 10);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20).for_each(|_| drop(Model::load(&path).unwrap())));
            scope.spawn(|| (0..20).for_each(|_| they_load(&path)));
        });
        assert_eq!(heard(), 20 * n_lines);
    });
}

#[test]
fn an_error_tells_what_llama_cpp_said_although_others_have_taken_the_log_over() {
    passes_alone("an_error_tells_what_llama_cpp_said_although_others_have_taken_the_log_over", || {
        let (folder, _) = file();
        let path = folder.path().join("unknown.gguf");
        let metadata = vec![("tokenizer.ggml.model".into(), "none".into())];
        let tensors = vec![("token_embd.weight".into(), vec![32, 32], crate::gguf::TensorType::F32)];
        let metadata = [metadata, vec![("mamba.block_count".into(), crate::gguf::Value::U32(1))]].concat();
        Synthetic::new(Shape::from_parts("unknown", "mamba", metadata, tensors)).write_to(&path).unwrap();
        Backend::init().unwrap();
        listen_with(theirs, ptr::null_mut());
        let error = Model::load(&path).unwrap_err();
        let LlamaError::Load { log, .. } = &error else { panic!("{error}") };
        assert!(log.contains("mamba.context_length"), "{error}");
    });
}

/// Takes the log over at the first line that it gets.
fn takes_over() -> impl tracing::Subscriber + Send + Sync {
    let has_it = AtomicBool::new(false);
    on_line(move |_| {
        if !has_it.swap(true, Ordering::SeqCst) {
            listen_with(theirs, ptr::null_mut());
        }
    })
}

#[test]
fn nothing_that_is_recorded_is_lost_if_others_take_the_log_over_in_between() {
    passes_alone("nothing_that_is_recorded_is_lost_if_others_take_the_log_over_in_between", || {
        let (_folder, path) = file();
        let before = Model::load(&path).unwrap();
        let key = || vec![("llama.context_length".to_owned(), KvOverride::Int(77))];
        let model = tracing::subscriber::with_default(takes_over(), || {
            Model::load_with(&path, &ModelParams::default().kv_overrides(key())).unwrap()
        });
        assert!(heard() > 0 && !has_log(), "they took it over while it was loaded");
        assert_eq!(model.n_ctx_train(), 77);
        assert_eq!(model.unmatched_overrides(), [""; 0], "what was not heard is not said");
        assert_eq!(model.offloaded_layers(), before.offloaded_layers());
        let context =
            tracing::subscriber::with_default(takes_over(), || Context::new(&model, &small()).unwrap());
        assert!(heard() > 0 && !has_log());
        assert!(context.flash_attn_resolved().is_some());
    });
}

#[test]
fn listeners_that_call_each_other_come_to_an_end() {
    passes_alone("listeners_that_call_each_other_come_to_an_end", || {
        let (_folder, path) = file();
        Backend::init().unwrap();
        listen_with(theirs_and_ours, ptr::null_mut());
        they_load(&path);
        let n_lines = heard();
        assert!(n_lines > 10);
        // Ours in front of theirs in front of ours.
        install();
        they_load(&path);
        assert_eq!(heard(), n_lines, "each line once");
        // Ours in front of ours.
        listen_with(ON_LOG, ptr::null_mut());
        install();
        they_load(&path);
        assert_eq!(heard(), n_lines, "who had it before still hears");
        // What they have replaced may be gone: it is not called any more, even if theirs calls ours.
        listen_with(theirs_and_ours, ptr::without_provenance_mut(8));
        they_load(&path);
        assert_eq!(heard(), n_lines);
        assert_eq!(DATA.load(Ordering::SeqCst).addr(), 8);
        Model::load(&path).unwrap();
        assert_eq!(heard(), 0);
    });
}

#[test]
fn a_listener_that_panics_stops_nobody() {
    passes_alone("a_listener_that_panics_stops_nobody", || {
        let (_folder, path) = file();
        Backend::init().unwrap();
        listen_with(panics, ptr::null_mut());
        install();
        panic::set_hook(Box::new(|_| {}));
        for _ in 0..2 {
            // SAFETY: called as llama.cpp would, with a NUL-terminated text.
            let line = || unsafe { ON_LOG(sys::GGML_LOG_LEVEL_INFO, c"a line\n".as_ptr(), ptr::null_mut()) };
            assert!(panic::catch_unwind(line).is_err(), "each line reaches it");
        }
        let _ = panic::take_hook();
        // Calls of ours do not.
        Model::load(&path).unwrap();
    });
}

#[test]
fn what_was_there_before_is_what_lines_go_on_to() {
    passes_alone("what_was_there_before_is_what_lines_go_on_to", || {
        // llama.cpp's own, which prints: nobody chose it in a program that has llama.cpp for itself.
        install();
        assert!(super::other().is_none());
        listen_with(theirs, ptr::null_mut());
        install();
        install();
        let other = super::other().unwrap();
        assert!(ptr::fn_addr_eq(other.listen, theirs as Listen));
        // SAFETY: null is the default.
        unsafe { sys::llama_log_set(None, ptr::null_mut()) };
        install();
        assert!(super::other().is_none() && has_log());
    });
}

#[test]
fn others_may_initialise_before_and_end_after() {
    passes_alone("others_may_initialise_before_and_end_after", || {
        let (_folder, path) = file();
        let folder = CString::new(sys::build_info::BACKEND_DIR).unwrap();
        // SAFETY: a NUL-terminated path, or none: then the backends are built in.
        let n_devices = unsafe {
            sys::llama_backend_init();
            if folder.is_empty() {
                sys::ggml_backend_load_all();
            } else {
                sys::ggml_backend_load_all_from_path(folder.as_ptr());
            }
            sys::ggml_backend_dev_count()
        };
        assert!(n_devices > 0);
        let backend = Backend::init().unwrap();
        assert_eq!(backend.devices().len(), n_devices, "no backend is registered twice");
        let model = Model::load(&path).unwrap();
        let quantised = small().type_k(crate::llama::KvType::Q8_0).type_v(crate::llama::KvType::Q8_0);
        let quantised = quantised.flash_attn(crate::llama::FlashAttn::On);
        let mut context = Context::new(&model, &quantised).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        // SAFETY: no preconditions; what it frees is made again when it is needed.
        unsafe { sys::llama_backend_free() };
        context.decode_tokens(&[4]).unwrap();
        assert!(context.logits(-1).unwrap().iter().all(|logit| logit.is_finite()));
        let again = Model::load(&path).unwrap();
        Context::new(&again, &quantised).unwrap().decode_tokens(&[1]).unwrap();
        // SAFETY: as above.
        unsafe {
            sys::llama_backend_init();
            sys::llama_backend_free();
        }
        context.decode_tokens(&[5]).unwrap();
    });
}

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix))]
#[path = "assertion_tests.rs"]
mod assertions;
