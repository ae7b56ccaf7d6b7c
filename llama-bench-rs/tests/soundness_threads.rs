//! Threads that cannot be started: an error, and the process continues.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod child_support;
mod llama_support;

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use child_support::{again, can_limit_addresses, command, role, told};
use llama_bench_rs::llama::{Context, ContextParams, LlamaError, LoadMode, Model};
use llama_support::{file, folder, load, on_cpu};

/// Stacks of 1 GiB in an address space of 4 GiB: three threads beside the calling one, on every machine.
const THREE_THREADS: &str = "ulimit -s 1048576 && ulimit -v 4194304 || { echo 'no such limits'; exit 0; }";

fn assert_went_on(name: &str, output: &Output) {
    let told = told(output);
    if told.contains("no such limits") {
        eprintln!("SKIPPED {name}: this user may not set its limits");
        return;
    }
    assert!(output.status.success() && told.contains("went on"), "{told}");
}

fn with_threads(n: u32) -> ContextParams {
    ContextParams::default().n_ctx(64).n_batch(64).n_ubatch(64).n_threads(n).n_threads_batch(n)
}

fn model(path: &std::path::Path) -> Model {
    load(path).unwrap()
}

fn refused<T>(n: u32, result: Result<T, LlamaError>) {
    match result.map(drop) {
        Err(error @ LlamaError::Threads { n_threads, .. }) => {
            assert_eq!(n_threads, n);
            assert!(error.to_string().contains("lower n_threads"), "{error}");
            assert_eq!(error.kind(), "threads");
        }
        other => panic!("{n} threads: {other:?}"),
    }
}

#[test]
fn a_context_that_cannot_have_its_threads_is_refused() {
    if role().is_some() {
        let model = model(&file("tiny-llama", false));
        for n in [6, 16, 512] {
            refused(n, Context::new(&model, &with_threads(n)));
        }
        let mut context = Context::new(&model, &with_threads(2)).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        println!("went on");
        return;
    }
    const NAME: &str = "a_context_that_cannot_have_its_threads_is_refused";
    if !can_limit_addresses(NAME) {
        return;
    }
    let output = again(NAME, "child", THREE_THREADS);
    assert_went_on(NAME, &output);
}

/// OpenMP starts new threads for each thread that computes.
#[test]
#[cfg(feature = "openmp")]
fn a_thread_whose_team_cannot_be_had_gets_an_error() {
    if role().is_some() {
        let model = model(&file("tiny-llama", false));
        let mut context = Context::new(&model, &with_threads(3)).unwrap();
        context.decode_tokens(&[1, 2, 3]).unwrap();
        let elsewhere = || {
            refused(3, context.decode_tokens(&[4, 5]));
            refused(3, context.decode_tokens(&[4]));
        };
        let small = std::thread::Builder::new().stack_size(1 << 20);
        std::thread::scope(|scope| small.spawn_scoped(scope, elsewhere).unwrap().join().unwrap());
        assert_eq!(context.n_past(), 3);
        context.decode_tokens(&[4, 5]).unwrap();
        println!("went on");
        return;
    }
    const NAME: &str = "a_thread_whose_team_cannot_be_had_gets_an_error";
    if !can_limit_addresses(NAME) {
        return;
    }
    let output = again(NAME, "child", THREE_THREADS);
    assert_went_on(NAME, &output);
}

/// Checked weights are read by threads of the loader.
#[test]
fn loads_without_threads_go_on() {
    if role().is_some() {
        for mode in [LoadMode::None, LoadMode::Mmap] {
            let params = on_cpu().check_tensors(true).load_mode(mode);
            if let Err(error) = Model::load_with(file("tiny-llama", false), &params) {
                println!("load: {error}");
            }
        }
        println!("went on");
        return;
    }
    const NAME: &str = "loads_without_threads_go_on";
    if !can_limit_addresses(NAME) {
        return;
    }
    for limits in
        [THREE_THREADS, "ulimit -s 4194304 && ulimit -v 2097152 || { echo 'no such limits'; exit 0; }"]
    {
        let output = again(NAME, "child", limits);
        assert_went_on(NAME, &output);
    }
}

/// The limit of an ordinary user's processes, which root is not under.
#[test]
fn under_ulimit_u_a_context_is_refused() {
    const NAME: &str = "under_ulimit_u_a_context_is_refused";
    if let Some(path) = role() {
        let model = model(path.as_ref());
        refused(32, Context::new(&model, &with_threads(32)));
        Context::new(&model, &with_threads(1)).unwrap().decode_tokens(&[1, 2, 3]).unwrap();
        println!("went on");
        return;
    }
    let path = file("tiny-llama", false);
    let mut child = command(NAME, path.to_str().unwrap(), "{ ulimit -u 8 || ulimit -p 8; } 2>/dev/null");
    // SAFETY is not needed to ask: the owner of a file that this process makes.
    let root = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&path).unwrap()) == 0;
    if root {
        // Another user must reach both.
        fs::set_permissions(folder(), fs::Permissions::from_mode(0o755)).unwrap();
        let inner: Vec<_> =
            std::iter::once(child.get_program()).chain(child.get_args()).map(ToOwned::to_owned).collect();
        let mut outer = std::process::Command::new("setpriv");
        outer.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(inner);
        outer.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
        child = outer;
    }
    let Ok(output) = child.output() else {
        eprintln!("SKIPPED {NAME}: setpriv is missing");
        return;
    };
    let told = told(&output);
    if told.contains("Permission denied") || told.contains("setpriv:") {
        eprintln!("SKIPPED {NAME}: another user cannot run this test: {told}");
        return;
    }
    assert_went_on(NAME, &output);
}
