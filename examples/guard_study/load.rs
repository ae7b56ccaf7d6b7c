//! What else runs on the machine.

use std::{
    env, fmt, hint,
    io::{self, Read},
    process::{self, Child, Command, Stdio},
    thread,
};

/// What runs beside a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Nothing.
    Quiet,
    /// The crate's other tests, on threads of the same process.
    OtherTests,
    /// One busy loop more than there are cores.
    BusyLoops,
    /// The crate's other tests, each in a process of its own, some of them sweeps.
    Nextest,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quiet => "alone",
            Self::OtherTests => "beside other tests (cargo test)",
            Self::BusyLoops => "beside busy loops, one more than cores",
            Self::Nextest => "beside other tests and sweeps (nextest)",
        })
    }
}

impl Load {
    /// Starts the busy loops, if it has any; they end when the value is dropped.
    pub fn start(self) -> io::Result<BusyLoops> {
        let n = match self {
            Self::BusyLoops => thread::available_parallelism()?.get() + 1,
            Self::Quiet | Self::OtherTests | Self::Nextest => 0,
        };
        let mut loops = BusyLoops(Vec::new());
        for _ in 0..n {
            // Its standard input closes when this process ends in any way.
            let child = Command::new(env::current_exe()?).arg("--spin").stdin(Stdio::piped()).spawn()?;
            loops.0.push(child);
        }
        Ok(loops)
    }
}

/// Processes that keep cores busy.
#[derive(Debug)]
pub struct BusyLoops(Vec<Child>);

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Keeps a core busy until standard input ends.
pub fn spin() -> ! {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    loop {
        hint::spin_loop();
    }
}
