//! A context with a CPU mask or a priority restores both.
#![allow(missing_docs)]
#![cfg(target_os = "linux")]

mod llama_support;

use std::{fs, sync::Mutex, thread};

use llama_bench_rs::llama::{Context, ContextParams, LlamaError, Model};
use llama_support::tiny;

/// Other tests' threads would be seen too.
static ALONE: Mutex<()> = Mutex::new(());

fn with_threads(n: u32) -> ContextParams {
    ContextParams::default().n_ctx(64).n_batch(64).n_ubatch(64).n_threads(n).n_threads_batch(n)
}

fn mask_of(status: &str) -> String {
    let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// CPU mask and policy, priority and niceness of the calling thread.
fn scheduling() -> (String, Vec<String>) {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (mask_of(&status), [15, 16, 37, 38].map(|i| fields[i].to_owned()).to_vec())
}

/// The masks and policies of all threads of this process, each once.
fn of_all_threads() -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let folder = task.unwrap().path();
        // A thread may have ended meanwhile.
        let (Ok(status), Ok(stat)) =
            (fs::read_to_string(folder.join("status")), fs::read_to_string(folder.join("stat")))
        else {
            continue;
        };
        let policy = stat.rsplit(')').next().unwrap().split_whitespace().nth(38).unwrap().to_owned();
        seen.push((mask_of(&status), policy));
    }
    seen.sort();
    seen.dedup();
    seen
}

/// The first and the last CPU that this thread may use.
fn two_cpus() -> Option<[usize; 2]> {
    let (list, _) = scheduling();
    let ends: Vec<usize> = list.split([',', '-']).map(|cpu| cpu.parse().unwrap()).collect();
    let (first, last) = (ends[0], ends[ends.len() - 1]);
    (first != last && last < 512).then_some([first, last])
}

fn only(cpu: usize) -> Vec<bool> {
    (0..=cpu).map(|i| i == cpu).collect()
}

fn decode(model: &Model, params: &ContextParams) -> Result<(), LlamaError> {
    let mut context = Context::new(model, params)?;
    context.decode_tokens(&[1, 2, 3])?;
    context.decode_tokens(&[4])
}

#[test]
fn the_callers_thread_has_its_mask_and_priority_again() {
    let _alone = ALONE.lock();
    let model = tiny("tiny-llama");
    let before = scheduling();
    let Some([first, last]) = two_cpus() else {
        eprintln!("SKIPPED the_callers_thread_has_its_mask_and_priority_again: one CPU only");
        return;
    };
    // Threads of real-time priority that share a CPU would wait for one another.
    let prios = [-1, 1, 2, 3].map(|prio| with_threads(2).prio(prio)).to_vec();
    let masks = [vec![], only(first), only(last), vec![false; 8]].map(|cpu_mask| {
        [(false, 1), (false, 2), (true, 1), (true, 3)].map(|(strict, n_threads)| {
            with_threads(n_threads).cpu_strict(strict).cpu_mask(cpu_mask.clone()).prio(-i32::from(strict))
        })
    });
    for params in prios.into_iter().chain(masks.into_iter().flatten()) {
        match decode(&model, &params) {
            Ok(()) => {}
            // It takes a privilege.
            Err(LlamaError::Parameter { name: "prio", .. }) if params.prio > 0 => {}
            Err(other) => panic!("{params:?}: {other}"),
        }
        assert_eq!(scheduling(), before, "{params:?}");
        assert_eq!(thread::spawn(scheduling).join().unwrap(), before, "{params:?}");
    }
    decode(&model, &with_threads(2)).unwrap();
    assert_eq!(scheduling(), before);
}

#[test]
fn the_next_context_computes_on_all_cpus() {
    let _alone = ALONE.lock();
    let model = tiny("tiny-llama");
    let Some([first, last]) = two_cpus() else {
        eprintln!("SKIPPED the_next_context_computes_on_all_cpus: one CPU only");
        return;
    };
    let own = of_all_threads();
    assert_eq!(own.len(), 1, "threads differ before: {own:?}");
    let mut plain = Context::new(&model, &with_threads(3)).unwrap();
    plain.decode_tokens(&[1, 2, 3]).unwrap();
    {
        let params = with_threads(3).cpu_mask(only(last)).prio(-1);
        let mut masked = Context::new(&model, &params).unwrap();
        masked.decode_tokens(&[1, 2, 3]).unwrap();
        // The others of its threads do have the mask.
        assert!(of_all_threads().iter().any(|(mask, _)| *mask == last.to_string()));
        drop(Context::new(&model, &with_threads(3).cpu_mask(only(first))).unwrap());
        masked.decode_tokens(&[4]).unwrap();
    }
    plain.decode_tokens(&[4, 5]).unwrap();
    plain.decode_tokens(&[6]).unwrap();
    assert_eq!(of_all_threads(), own);
    decode(&model, &with_threads(4)).unwrap();
    assert_eq!(of_all_threads(), own);
}

#[test]
fn masks_that_the_system_refuses_are_errors() {
    let _alone = ALONE.lock();
    let model = tiny("tiny-llama");
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    let last: usize = possible.trim().rsplit(['-', ',']).next().unwrap().parse().unwrap();
    if last >= 511 {
        eprintln!("SKIPPED masks_that_the_system_refuses_are_errors: all 512 CPUs may be there");
        return;
    }
    let before = scheduling();
    let mut both = only(511);
    both[two_cpus().map_or(0, |[first, _]| first)] = true;
    for (cpu_mask, strict, works) in
        [(only(511), false, false), (only(511), true, false), (both, true, false)]
    {
        let result = decode(&model, &with_threads(2).cpu_mask(cpu_mask).cpu_strict(strict));
        assert_eq!(result.is_ok(), works);
        assert!(matches!(result, Err(LlamaError::Parameter { name: "cpu_mask", .. })), "{result:?}");
    }
    assert_eq!(scheduling(), before);
}
