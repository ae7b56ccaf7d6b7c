//! `main` may return, or call `exit`, while other threads load and measure. llama.cpp's C++ statics are destroyed then.

mod support;

use std::{
    env,
    process::{self, Command},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use downstream_llama_cpp_2::measure;
use llama_bench_llama_cpp_2::load;
use support::{file, llama, params};

/// How many loads a child waits for before it ends.
const CHILD: &str = "DOWNSTREAM_ENDS_AFTER";

#[test]
fn the_process_may_end_while_threads_load_and_measure() {
    if let Ok(n) = env::var(CHILD) {
        end_after(n.parse().unwrap());
    }
    for n in 0..24 {
        let mut child = Command::new(env::current_exe().unwrap());
        let ran =
            child.arg("the_process_may_end").arg("--nocapture").env(CHILD, n.to_string()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "after {n} loads: {}: {said}", ran.status);
    }
}

/// Each thread drops what it has loaded, the handle of llama-cpp-2 first.
fn end_after(n_loads: u32) -> ! {
    let n_loaded = Arc::new(AtomicU32::new(0));
    for measures in [false, false, true] {
        let n_loaded = Arc::clone(&n_loaded);
        thread::spawn(move || {
            loop {
                let (model, measured) = load(llama(), file(), &params()).unwrap();
                drop(model);
                n_loaded.fetch_add(1, Ordering::Relaxed);
                if measures {
                    assert!(measure(&measured).unwrap().is_complete());
                }
            }
        });
    }
    while n_loaded.load(Ordering::Relaxed) < n_loads {
        thread::yield_now();
    }
    process::exit(0)
}
