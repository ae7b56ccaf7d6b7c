//! The child's side: it takes the pipes over, does its work, and ends with the parent.

use std::{
    collections::HashMap,
    env,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Answer, Told,
    events::{EventLine, Sent},
    log,
    wire::{self, CANCEL, Setup, Work},
};
use crate::{
    Error,
    bench::{Cancel, Event, Observer, ceilings},
    llama::Backend,
    record::Failure,
    serve::{ServeEvent, ServeLine, ServeObserver},
};

/// Names the parent of a child by its process id.
pub(super) const CHILD_OF: &str = "LLAMA_BENCH_CHILD_OF";

/// The exit status of a child that could not even begin.
const NO_WORK: i32 = 2;

/// Whether this process was started for an isolated configuration.
pub(super) fn is_wanted() -> bool {
    env::var_os(CHILD_OF).is_some()
}

/// Does the work and ends the process.
pub(super) fn run() -> ! {
    process::exit(match begin() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("an isolated process could not begin: {error}");
            NO_WORK
        }
    })
}

fn begin() -> io::Result<()> {
    die_with_parent()?;
    let (input, output) = take_pipes()?;
    let mut input = BufReader::new(input);
    let pipe = Arc::new(Pipe(Mutex::new(output)));
    let setup: Setup = read(&mut input)?;
    if setup.version != wire::version() {
        let message = format!(
            "the program's file was replaced by another version ({}, not {}): start it again",
            wire::version(),
            setup.version
        );
        pipe.tell(&Told::Refused { message, is_usage: false });
        return Ok(());
    }
    log::hand_over(&pipe, &setup.level);
    ceilings::renew_after(setup.renewed_after);
    // What the work names, such as devices, is looked up while it is read.
    let prepared = match setup.numa {
        Some(numa) => Backend::init_with(numa),
        None => Backend::init(),
    };
    let add = |(server, timeout): &(String, Duration)| {
        Backend::init()?.add_rpc_server_within(server, *timeout).map(drop)
    };
    if let Err(error) = setup.servers.iter().try_for_each(add) {
        pipe.tell(&Told::Unable(Failure::from(error)));
        return Ok(());
    }
    let done = prepared.map_err(Error::from).map(|_| read::<Work>(&mut input));
    let (go_on, may_go_on) = channel();
    let cancel = Cancel::new();
    let told = match done {
        Ok(work) => {
            let (work, stop) = (work?, cancel.clone());
            thread::Builder::new().name("parent".into()).spawn(move || listen(input, &go_on, &stop))?;
            let teller = Teller {
                pipe: Arc::clone(&pipe),
                may_go_on,
                sent: HashMap::new(),
                turn: (0, 0),
                last_step: None,
            };
            work.done(teller, &cancel)
        }
        Err(error) => Err(error),
    };
    pipe.tell(&match told {
        Ok(answer) => Told::Done(answer),
        Err(error) => {
            let is_usage = matches!(error, Error::Bench(_));
            Told::Refused { message: error.to_string(), is_usage }
        }
    });
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(input: &mut impl BufRead) -> io::Result<T> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    serde_json::from_slice(&line).map_err(io::Error::from)
}

impl Work {
    fn done(self, mut teller: Teller, cancel: &Cancel) -> Result<Answer, Error> {
        match self {
            Self::Measure(part) => part.measure(&mut teller, cancel).map(Answer::Measured),
            Self::Inspect(part, look) => {
                part.inspect(look, &mut teller, cancel).map(|found| Answer::Inspected(Box::new(found)))
            }
            Self::Serve(order) => order.serve(&mut teller, cancel).map(|run| Answer::Served(Box::new(run))),
        }
    }
}

/// Listens to the parent until it is gone.
fn listen(mut input: impl Read, go_on: &Sender<()>, cancel: &Cancel) {
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(1) if byte[0] == CANCEL => cancel.cancel(),
            // Nobody waits any more once the work is done.
            Ok(1) => _ = go_on.send(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => end_at_once(),
        }
    }
}

/// What is left of this process is of no use: nobody waits for it.
fn end_at_once() -> ! {
    // Handlers of `exit` wait for calls in flight, which may take minutes.
    #[cfg(unix)]
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    process::abort()
}

/// The parent's ear.
pub(super) struct Pipe(Mutex<File>);

impl Pipe {
    /// Sends a line; without a parent the process ends.
    pub(super) fn tell(&self, told: &Told) {
        let line = wire::told_line(told).expect("what is told can be written");
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wire::put(&mut *to, &line).is_err() {
            end_at_once();
        }
    }
}

/// Tells the parent what happens, and waits until it has dealt with that: its work would disturb a timed region.
struct Teller {
    pipe: Arc<Pipe>,
    may_go_on: Receiver<()>,
    /// What was sent of unfinished cells, by configuration and run.
    sent: HashMap<(usize, u32), Sent>,
    turn: (usize, u32),
    /// The last sign of progress of a repetition that serves requests.
    last_step: Option<Instant>,
}

impl Observer for Teller {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Configuration { index, run, .. } = *event {
            self.turn = (index, run);
        }
        let sent = self.sent.entry(self.turn).or_default();
        if let Some(line) = EventLine::of(event, sent) {
            self.tell(line);
        }
    }
}

impl ServeObserver for Teller {
    fn event(&mut self, event: &ServeEvent<'_>) {
        if let Some(line) = ServeLine::of(event, &mut self.last_step) {
            self.tell(EventLine::Serve(Box::new(line)));
        }
    }
}

impl Teller {
    fn tell(&self, line: EventLine) {
        self.pipe.tell(&Told::Event(Box::new(line)));
        if self.may_go_on.recv().is_err() {
            end_at_once();
        }
    }
}

/// The kernel kills this process when the parent ends, even if it hangs or was stopped; elsewhere the end of the pipe does.
fn die_with_parent() -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    #[cfg(unix)]
    if env::var(CHILD_OF).ok().and_then(|id| id.parse().ok()) != Some(std::os::unix::process::parent_id()) {
        return Err(io::Error::other("its parent is gone"));
    }
    Ok(())
}

/// Takes the pipes to the parent away from standard input and output: whatever reads or prints there from now on neither
/// disturbs nor sees them, and programs that are started do not inherit them.
#[cfg(unix)]
fn take_pipes() -> io::Result<(File, File)> {
    use std::os::fd::AsFd as _;

    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    nix::unistd::dup2_stdout(io::stderr())?;
    Ok((input.into(), output.into()))
}

/// The mark of the lines distinguishes them from what others print.
#[cfg(windows)]
fn take_pipes() -> io::Result<(File, File)> {
    use std::os::windows::io::AsHandle as _;

    let input = io::stdin().as_handle().try_clone_to_owned()?;
    let output = io::stdout().as_handle().try_clone_to_owned()?;
    Ok((input.into(), output.into()))
}

#[cfg(not(any(unix, windows)))]
fn take_pipes() -> io::Result<(File, File)> {
    Err(io::ErrorKind::Unsupported.into())
}
