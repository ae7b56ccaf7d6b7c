//! The parent's side: it starts a child, reads all that it sends, and leaves none behind.

use std::{
    env, io,
    io::BufReader,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Answer, IsolateError, Isolation, Told,
    child::CHILD_OF,
    ending::{self, Killed},
    events::EventLine,
    log,
    tail::Tail,
    wire::{self, CANCEL, GO_ON, Line, Setup, Work},
};
use crate::{
    bench::{Cancel, ceilings},
    llama::Backend,
    record::{Failure, FailureKind},
};

/// Time for a child to keep what it has after an interruption, or to end after its work. Then it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// Time for a child to end that closed its pipe.
const HANGS_UP: Duration = Duration::from_secs(2);

/// How often it is checked whether somebody interrupted the parent.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Longest pause between two checks whether a child has ended.
const SLICE: Duration = Duration::from_millis(20);

/// What became of a child.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It did its work.
    Done(Answer),
    /// It ended before.
    Lost(Failure),
}

/// Lets a child do the work; `hear` gets its events, and an error of it ends the child.
///
/// # Errors
/// The work cannot be written, or the child refused it.
pub(crate) fn converse(
    isolation: &Isolation,
    work: &Work,
    cancel: &Cancel,
    hear: impl FnMut(EventLine) -> Result<(), String>,
) -> Result<Ended, IsolateError> {
    let unwritable = |error: serde_json::Error| IsolateError::Work { why: error.to_string() };
    let backend = Backend::init().ok();
    let numa = backend.as_ref().and_then(Backend::numa);
    let servers = backend.map_or_else(Vec::new, |backend| backend.rpc_servers());
    let (level, renewed_after) = (log::level(), ceilings::renewed_after());
    let setup = Setup { version: wire::version(), numa, servers, level, renewed_after };
    let mut lines = wire::line_of(&setup).map_err(unwritable)?;
    lines.extend(wire::line_of(work).map_err(unwritable)?);
    let killed = Killed::now();
    let before = Before { killed, servers: setup.servers };
    match Conversation::begin(isolation, lines, cancel) {
        Ok(conversation) => conversation.hear(hear, &before, cancel),
        Err(error) => {
            let message = format!("a process of its own cannot be started: {error}");
            Ok(Ended::Lost(Failure::new(FailureKind::Isolation, message)))
        }
    }
}

/// What was so before a child began.
struct Before {
    killed: Killed,
    /// Servers whose devices it may use.
    servers: Vec<(String, Duration)>,
}

/// A child that runs. Dropped, it ends.
struct Conversation {
    child: Arc<Mutex<Child>>,
    input: Arc<Input>,
    tail: Arc<Tail>,
    /// Ends once standard error is read to its end.
    is_told: Receiver<()>,
    /// The child was killed after an interruption.
    is_overdue: Arc<AtomicBool>,
    /// Dropped, it ends the watch.
    _over: Sender<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Conversation {
    fn begin(isolation: &Isolation, work: Vec<u8>, cancel: &Cancel) -> io::Result<Self> {
        let mut command = Command::new(program()?);
        command
            .args(&isolation.args)
            .envs(isolation.env.iter().map(|(name, value)| (name, value)))
            .env(CHILD_OF, std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if env::var_os("GGML_NO_BACKTRACE").is_none() {
            // A debugger that writes stacks would take seconds, and nobody sees them.
            command.env("GGML_NO_BACKTRACE", "1");
        }
        out_of_reach_of_the_terminal(&mut command);
        let mut child = command.spawn()?;
        let (input, errors) = (child.stdin.take(), child.stderr.take());
        let (over, is_over) = channel();
        let (told, is_told) = channel::<()>();
        let conversation = Self {
            child: Arc::new(Mutex::new(child)),
            input: Arc::new(Input { pipe: Mutex::new(input), has_cancelled: AtomicBool::new(false) }),
            tail: Arc::default(),
            is_told,
            is_overdue: Arc::default(),
            _over: over,
        };
        let Self { child, input, tail, is_overdue, .. } = &conversation;
        let tail = Arc::clone(tail);
        spawn("child-errors", move || {
            if let Some(errors) = errors {
                tail.read(errors, |line| tracing::debug!(target: "llama_bench_rs::isolate", "{line}"));
            }
            drop(told);
        })?;
        let to = Arc::clone(input);
        // It may be longer than what a pipe holds, and the child may print before it reads.
        spawn("child-work", move || {
            // A child that ends before it reads says so otherwise.
            to.put(&mut lock(&to.pipe), &work);
        })?;
        let watch = Watch {
            child: Arc::clone(child),
            input: Arc::clone(input),
            is_overdue: Arc::clone(is_overdue),
            cancel: cancel.clone(),
        };
        spawn("child-watch", move || watch.until(&is_over))?;
        Ok(conversation)
    }

    fn hear(
        self,
        mut hear: impl FnMut(EventLine) -> Result<(), String>,
        before: &Before,
        cancel: &Cancel,
    ) -> Result<Ended, IsolateError> {
        let output = lock(&self.child).stdout.take();
        let mut output = BufReader::new(output.expect("it is piped"));
        loop {
            let told = match wire::next_line(&mut output) {
                Ok(Some(Line::Told(told))) => *told,
                Ok(Some(Line::Printed(text))) => {
                    self.tail.push(&text);
                    continue;
                }
                Ok(Some(Line::Damaged(why))) => return Ok(Ended::Lost(wire::not_understood(&why))),
                Ok(None) => return Ok(Ended::Lost(self.lost(before))),
                Err(error) => return Ok(Ended::Lost(wire::not_understood(&error.to_string()))),
            };
            match told {
                Told::Event(event) => {
                    if let Err(why) = hear(*event) {
                        return Ok(Ended::Lost(wire::not_understood(&why)));
                    }
                    let mut pipe = lock(&self.input.pipe);
                    if cancel.is_cancelled() {
                        self.input.cancel(&mut pipe);
                    }
                    // A child that is gone is noticed by the end of its lines.
                    self.input.put(&mut pipe, &[GO_ON]);
                }
                Told::Log { level, text } => {
                    log::tell(&level, &text);
                    log::keep(&self.tail, &level, &text);
                }
                Told::Done(answer) => {
                    // It has done what it was asked for, however it ends.
                    self.wait(GRACE);
                    return Ok(Ended::Done(answer));
                }
                Told::Unable(failure) => {
                    self.wait(GRACE);
                    return Ok(Ended::Lost(failure));
                }
                Told::Refused { message, is_usage } => {
                    self.wait(GRACE);
                    return Err(IsolateError::Refused { message, is_usage });
                }
            }
        }
    }

    /// Why nothing more comes.
    fn lost(&self, before: &Before) -> Failure {
        let ended = self.wait(HANGS_UP);
        // Another program that the child started may hold its standard error open.
        let _ = self.is_told.recv_timeout(HANGS_UP);
        if self.is_overdue.load(Ordering::Relaxed) {
            let message = format!("interrupted, and it did not stop within {} s", GRACE.as_secs());
            return Failure::new(FailureKind::Cancelled, message);
        }
        match ended {
            Some(status) => {
                let failure = ending::failure(status, &self.tail, before.killed);
                ending::of_servers(failure, &before.servers, |server, timeout| {
                    Backend::init().map_err(|error| error.to_string())?.greet_rpc_server(server, timeout)
                })
            }
            None => {
                let message = format!("it closed its pipe before its work was done{}", self.tail.words());
                Failure::new(FailureKind::Isolation, message)
            }
        }
    }

    /// Waits so long for the end of the child; `None` if it is still there.
    fn wait(&self, patience: Duration) -> Option<ExitStatus> {
        let (start, mut pause) = (Instant::now(), Duration::from_micros(200));
        loop {
            if let Ok(Some(status)) = lock(&self.child).try_wait() {
                return Some(status);
            }
            if start.elapsed() >= patience {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(SLICE);
        }
    }
}

impl Drop for Conversation {
    /// Leaves neither a process nor a zombie behind, whatever happened here.
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        if !matches!(child.try_wait(), Ok(Some(_))) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The way to the child.
struct Input {
    pipe: Mutex<Option<ChildStdin>>,
    has_cancelled: AtomicBool,
}

impl Input {
    /// Writes, if the child still reads.
    fn put(&self, pipe: &mut Option<ChildStdin>, bytes: &[u8]) {
        if let Some(to) = pipe {
            let _ = wire::put(to, bytes);
        }
    }

    /// Asks the child to stop, once.
    fn cancel(&self, pipe: &mut Option<ChildStdin>) {
        if !self.has_cancelled.swap(true, Ordering::Relaxed) {
            self.put(pipe, &[CANCEL]);
        }
    }
}

/// Passes an interruption on to the child, and ends one that does not stop.
struct Watch {
    child: Arc<Mutex<Child>>,
    input: Arc<Input>,
    is_overdue: Arc<AtomicBool>,
    cancel: Cancel,
}

impl Watch {
    fn until(self, is_over: &Receiver<()>) {
        let mut asked_at: Option<Instant> = None;
        while is_over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if !self.cancel.is_cancelled() {
                continue;
            }
            let asked_at = *asked_at.get_or_insert_with(|| {
                // Held as long as the work is being written: a child that does not even read that is killed.
                if let Ok(mut pipe) = self.input.pipe.try_lock() {
                    self.input.cancel(&mut pipe);
                }
                Instant::now()
            });
            if asked_at.elapsed() >= GRACE {
                self.is_overdue.store(true, Ordering::Relaxed);
                let _ = lock(&self.child).kill();
                return;
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

/// This executable. On Linux the one that runs, even if its file was replaced or removed meanwhile.
fn program() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;

        let own = PathBuf::from("/proc/self/exe");
        let place = |path: &PathBuf| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
        if place(&own).is_some() && place(&path) != place(&own) {
            return Ok(own);
        }
    }
    Ok(path)
}

/// Ctrl-C reaches the parent alone, which passes it on: it would end a child.
fn out_of_reach_of_the_terminal(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
    }
    #[cfg(not(any(unix, windows)))]
    let _ = command;
}
