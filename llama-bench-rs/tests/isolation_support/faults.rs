//! Faults in isolated children, for the test program alone: which one strikes when follows from a seed and from the number
//! of the child.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        resource::{Resource, setrlimit},
        signal::{Signal, kill},
    },
    unistd::{Pid, close},
};

use super::dice::Dice;

/// The folder in which children take their numbers, the seed, and the percentage of children with a fault.
const FAULTS: &str = "ISOLATION_TEST_FAULTS";

/// A fault strikes once the child has written so many bytes, at most: about what it tells in all. Unlike a time, this is
/// anywhere in its work on a busy machine too.
const LATEST: usize = 45_000;

/// What ends the file of a child whose fault struck: some end before.
const STRUCK: &str = " struck";

/// Every fault there is.
pub const ALL: [&str; 17] = [
    "signal 6",
    "signal 9",
    "signal 11",
    "signal 15",
    "stopped, then killed",
    "exit",
    "exit at once",
    "memory limit",
    "memory limit from the beginning",
    "stdout and stderr closed",
    "stdout closed from the beginning",
    "pipe closed",
    "half a line, then killed",
    "damaged line",
    "lines of others",
    "floods stdout and stderr",
    "panic",
];

/// Those that strike before the child begins.
const IN_THE_BEGINNING: [&str; 5] = [
    "exit at once",
    "panic",
    "stdout closed from the beginning",
    "memory limit from the beginning",
    "floods stdout and stderr",
];

/// Lets children of this process have faults from now on; `None` for none.
pub struct Armed {
    folder: tempfile::TempDir,
}

impl Armed {
    pub fn new(seed: u64, percent: u32) -> (Self, [(&'static str, String); 1]) {
        let folder = tempfile::tempdir().unwrap();
        let value = format!("{seed}:{percent}:{}", folder.path().display());
        (Self { folder }, [(FAULTS, value)])
    }

    /// The fault that struck each child, in the order of their starts.
    pub fn struck(&self) -> Vec<Option<String>> {
        let text = |n: usize| fs::read_to_string(self.folder.path().join(n.to_string())).ok();
        (0..).map_while(text).map(|fault| fault.strip_suffix(STRUCK).map(str::to_owned)).collect()
    }
}

/// The first thing in `main`: what strikes this process, if it is a child and faults are armed.
pub fn arm() {
    let (Ok(faults), true) = (env::var(FAULTS), env::var_os("LLAMA_BENCH_CHILD_OF").is_some()) else {
        return;
    };
    let mut parts = faults.splitn(3, ':');
    let mut number = || parts.next().unwrap().parse::<u64>().unwrap();
    let (seed, percent) = (number(), number());
    let (n, mut file) = take_number(Path::new(parts.next().unwrap()));
    let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n);
    if dice.below(100) as u64 >= percent {
        return;
    }
    let fault = ALL[dice.below(ALL.len())];
    file.write_all(fault.as_bytes()).unwrap();
    let mut struck = move || file.write_all(STRUCK.as_bytes()).unwrap();
    let after = dice.below(LATEST);
    let any = dice.below(256) as i32;
    if IN_THE_BEGINNING.contains(&fault) {
        struck();
    }
    match fault {
        "exit at once" => process::exit(any),
        "panic" => panic!("a fault on purpose"),
        "stdout closed from the beginning" => _ = close(1),
        "memory limit from the beginning" => limit_memory(any as u64),
        "floods stdout and stderr" => {
            // More than any pipe holds, in lines and without an end.
            println!("{}", "a line of others\n".repeat(20_000));
            print!("{}", "x".repeat(1 << 20));
            eprint!("{}", "y".repeat(1 << 20));
        }
        _ => {
            thread::spawn(move || {
                while n_written() < after {
                    thread::sleep(Duration::from_micros(100));
                }
                struck();
                strike(fault, any);
            });
        }
    }
}

fn take_number(folder: &Path) -> (u64, File) {
    let take = |n: u64| OpenOptions::new().write(true).create_new(true).open(folder.join(n.to_string()));
    (0..).find_map(|n| Some((n, take(n).ok()?))).unwrap()
}

fn strike(fault: &str, any: i32) {
    let id = process::id();
    match fault {
        "exit" => process::exit(any),
        "memory limit" => limit_memory(any as u64),
        "stdout and stderr closed" => {
            let _ = (close(1), close(2));
        }
        "stopped, then killed" => {
            let script = format!("kill -STOP {id}; sleep 0.01; kill -KILL {id}");
            let _ = Command::new("sh").args(["-c", &script]).status();
        }
        "pipe closed" => pipes().into_iter().for_each(|(fd, _)| _ = close(fd)),
        "half a line, then killed" => {
            write(b"\n@llama-bench-rs {\"Event\":{\"Meas");
            raise(Signal::SIGKILL);
        }
        "damaged line" => write(b"\n@llama-bench-rs {\"Event\":{\"Measuring\":{\"test\":7}}}\n"),
        "lines of others" => {
            write(b"\nhalf of one");
            write(b"a whole one\n\xff\xfe\x00\n{\"Done\":3}\n");
        }
        fault => {
            let number: i32 = fault.strip_prefix("signal ").unwrap().parse().unwrap();
            raise(Signal::try_from(number).unwrap());
        }
    }
}

/// Bytes that this process has written.
fn n_written() -> usize {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.and_then(|n| n.parse().ok()).unwrap_or(usize::MAX)
}

/// Until it ends the process: a handler may swallow the first one.
fn raise(signal: Signal) {
    loop {
        let _ = kill(Pid::this(), signal);
        thread::yield_now();
    }
}

/// Not much more than what it has.
fn limit_memory(any: u64) {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = pages.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    let most = pages * 4096 + any * 256 * 1024;
    let _ = setrlimit(Resource::RLIMIT_AS, most, most);
}

/// The pipes to the parent, once they were taken over.
fn pipes() -> Vec<(i32, PathBuf)> {
    let all = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_pipe =
        |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("pipe:"));
    let number = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
    all.filter(is_pipe).filter_map(number).filter(|(fd, _)| *fd > 2).collect()
}

fn is_for_writing(fd: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    info.lines().any(|line| line.starts_with("flags:") && line.ends_with('1'))
}

/// Into the pipe that the child tells its parent through.
fn write(bytes: &[u8]) {
    for (fd, path) in pipes() {
        // The pipe from the parent would take it too.
        if is_for_writing(fd)
            && let Ok(mut pipe) = OpenOptions::new().write(true).open(path)
        {
            let _ = pipe.write_all(bytes);
        }
    }
}
