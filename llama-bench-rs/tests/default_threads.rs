//! Default threads follow the affinity mask of the thread that asks.
#![cfg(target_os = "linux")]

use llama_bench_rs::llama::ContextParams;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

#[test]
fn a_thread_on_one_cpu_gets_one_thread() {
    let on_one_cpu = std::thread::spawn(|| {
        let allowed = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).unwrap();
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).unwrap();
        ContextParams::default()
    });
    let params = on_one_cpu.join().unwrap();
    assert_eq!((params.n_threads, params.n_threads_batch), (1, 1));
    assert!(ContextParams::default().n_threads >= 1);
}
