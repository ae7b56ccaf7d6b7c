//! Signals: the first one asks the sweep to stop and keeps what was measured, a second one ends the process at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use llama_bench_rs::bench::Cancel;

/// As shells report a program that a signal ended: this and the signal's number.
const BY_SIGNAL: u8 = 128;

/// What a signal asks for.
#[derive(Clone, Default)]
pub struct Interrupt {
    cancel: Cancel,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Stops the sweep.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The exit status that tells of the signal, if there was one: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    pub fn status(&self) -> Option<u8> {
        let signal = self.signal.load(Ordering::Relaxed);
        (signal > 0).then(|| BY_SIGNAL + signal as u8)
    }

    /// Watches for SIGINT, SIGTERM and SIGHUP.
    #[cfg(unix)]
    pub fn watch() -> std::io::Result<Self> {
        use std::sync::atomic::AtomicBool;

        use signal_hook::{
            consts::{SIGHUP, SIGINT, SIGTERM},
            flag,
        };
        let (asked, signal) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        // Who starts a program with nohup wants it to outlive the terminal.
        for one in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&one| one != SIGHUP || !is_ignored(one)) {
            // In this order: the handler of the first signal finds the flag unset, that of the second one set.
            flag::register_conditional_shutdown(one, i32::from(BY_SIGNAL) + one, Arc::clone(&asked))?;
            flag::register_usize(one, Arc::clone(&signal), one as usize)?;
            flag::register(one, Arc::clone(&asked))?;
        }
        Ok(Self { cancel: Cancel::from(asked), signal })
    }

    /// Watches for Ctrl-C, Ctrl-Break and the closing of the console.
    #[cfg(not(unix))]
    pub fn watch() -> Result<Self, ctrlc::Error> {
        const SIGINT: usize = 2;
        let interrupt = Self::default();
        let Self { cancel, signal } = interrupt.clone();
        ctrlc::set_handler(move || {
            if signal.swap(SIGINT, Ordering::Relaxed) > 0 {
                std::process::exit(i32::from(BY_SIGNAL) + SIGINT as i32);
            }
            cancel.cancel();
        })?;
        Ok(interrupt)
    }
}

/// Whether the process was started with this signal ignored; where the system does not tell, it was not.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
