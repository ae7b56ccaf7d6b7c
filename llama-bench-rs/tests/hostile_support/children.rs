//! Cases run in child processes: a case that ends its process is reported and costs only itself.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    ops::Range,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Tells a child which cases to run, as `FROM..TO`.
const CASES: &str = "HOSTILE_CASES";

/// Raises the number of cases of every test, for a long run.
const MANY: &str = "HOSTILE_MANY";

/// A case that takes longer hangs: llama.cpp under AddressSanitizer on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `n` cases (or as many as `HOSTILE_MANY` says) of the test of this name, which calls this as all it does. Fails
/// with the number of every case that ended its process or hung.
pub fn run(test: &str, n: u64, case: impl Fn(u64)) {
    if let Ok(cases) = env::var(CASES) {
        return child(parse(&cases), case);
    }
    let n = env::var(MANY).ok().and_then(|many| many.parse().ok()).unwrap_or(n);
    let mut ended = Vec::new();
    let mut from = 0;
    while from < n {
        match one_child(test, from..n) {
            Ok(()) => break,
            Err((case, how)) => {
                eprintln!("{test}: case {case}: {how}");
                ended.push(format!("case {case}: {how}"));
                from = case + 1;
            }
        }
    }
    println!("{test}: {n} cases, {} of them ended the process", ended.len());
    assert!(ended.is_empty(), "{test}: {} of {n} cases:\n{}", ended.len(), ended.join("\n"));
}

fn parse(cases: &str) -> Range<u64> {
    let (from, to) = cases.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn child(cases: Range<u64>, case: impl Fn(u64)) {
    for number in cases {
        // Straight to the pipe: the case may be the last thing that this process does.
        let line = format!("case {number}\n");
        std::io::stdout().write_all(line.as_bytes()).expect("the parent reads");
        case(number);
    }
    println!("done");
}

/// `Err` with the case that a child died or hung in.
fn one_child(test: &str, cases: Range<u64>) -> Result<(), (u64, String)> {
    let program = env::current_exe().expect("this executable");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(CASES, format!("{}..{}", cases.start, cases.end)).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a child process");
    let out = child.stdout.take().expect("piped");
    let child = Arc::new(Mutex::new(child));
    let beginning = Instant::now();
    let heard = Arc::new(AtomicU64::new(0));
    let watch = watch(child.clone(), heard.clone(), beginning);
    let (mut case, mut done) = (cases.start, false);
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        heard.store(beginning.elapsed().as_secs(), Ordering::Relaxed);
        if let Some((_, number)) = line.split_once("case ") {
            case = number.parse().unwrap_or(case);
        }
        done |= line == "done";
    }
    let status = lock(&child).wait().expect("the child's status");
    heard.store(u64::MAX, Ordering::Relaxed);
    watch.join().expect("the watch");
    if status.success() && done { Ok(()) } else { Err((case, status.to_string())) }
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Ends a child that is silent for too long; ends itself once `heard` is the largest number.
fn watch(child: Arc<Mutex<Child>>, heard: Arc<AtomicU64>, beginning: Instant) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(50));
            let last = heard.load(Ordering::Relaxed);
            if last == u64::MAX {
                return;
            }
            if beginning.elapsed().as_secs() > last + PATIENCE.as_secs() {
                eprintln!("a case hangs: the child is ended");
                let _ = lock(&child).kill();
                return;
            }
        }
    })
}
