//! CPU mask and priority of a thread.
//!
//! ggml gives them to the thread that computes and leaves them there; a context gives back what it found.

use std::io;

/// CPUs by number, as the kernel takes them.
type Mask = [u64; 128];

/// What a context asks for its threads, other than the process's own.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// CPUs of each thread; the list is used over and over. Empty without a mask.
    masks: Vec<Mask>,
    prio: i32,
}

/// The scheduling that a thread had; it has it again when this is dropped.
#[derive(Debug)]
pub(super) struct Lent {
    #[cfg(target_os = "linux")]
    mask: Option<Mask>,
    #[cfg(unix)]
    policy: Option<(i32, libc::sched_param)>,
}

impl Settings {
    /// `None` if nothing is asked for.
    pub(super) fn new(cpu_mask: &[bool], strict: bool, prio: i32) -> Option<Self> {
        let cpus: Vec<usize> = (0..cpu_mask.len()).filter(|&cpu| cpu_mask[cpu]).collect();
        let mask_of = |cpus: &[usize]| {
            let mut mask = [0; 128];
            cpus.iter().for_each(|cpu| mask[cpu / 64] |= 1 << (cpu % 64));
            mask
        };
        let masks = match (cpus.is_empty(), strict) {
            (true, _) => Vec::new(),
            (false, true) => cpus.chunks(1).map(mask_of).collect(),
            (false, false) => vec![mask_of(&cpus)],
        };
        (!masks.is_empty() || prio != 0).then_some(Self { masks, prio })
    }

    /// Keeps what this thread has.
    pub(super) fn lend(&self) -> Lent {
        Lent {
            #[cfg(target_os = "linux")]
            mask: if self.masks.is_empty() { None } else { system::mask() },
            #[cfg(unix)]
            policy: if self.prio == 0 { None } else { system::policy() },
        }
    }

    /// Gives this thread the mask of one of the context's threads, and the priority. ggml does so by itself if
    /// OpenMP starts the threads.
    pub(super) fn apply(&self, thread: usize) -> Result<(), Refused> {
        if !self.masks.is_empty() {
            system::set_mask(&self.masks[thread % self.masks.len()]).map_err(Refused::Mask)?;
        }
        if self.prio != 0 {
            system::set_prio(self.prio).map_err(Refused::Prio)?;
        }
        Ok(())
    }

    /// Tries them on this thread, since ggml continues without them when the system refuses.
    pub(super) fn check(&self, n_threads: usize) -> Result<(), Refused> {
        let _lent = self.lend();
        (0..n_threads.min(self.masks.len().max(1))).try_for_each(|thread| self.apply(thread))
    }
}

/// The system refused.
#[derive(Debug)]
pub(super) enum Refused {
    Mask(io::Error),
    Prio(io::Error),
}

impl Drop for Lent {
    fn drop(&mut self) {
        // What it had a moment ago can hardly be refused, and there is nobody to tell.
        #[cfg(target_os = "linux")]
        if let Some(mask) = &self.mask {
            let _ = system::set_mask(mask);
        }
        #[cfg(unix)]
        if let Some((policy, param)) = &self.policy {
            let _ = system::set_policy(*policy, param);
        }
    }
}

mod system {
    use super::{Mask, io};

    fn result(code: i32) -> io::Result<()> {
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn mask() -> Option<Mask> {
        let mut mask: Mask = [0; 128];
        // SAFETY: 0 is the calling thread; the kernel writes at most the size given.
        let code = unsafe { libc::sched_getaffinity(0, size_of::<Mask>(), mask.as_mut_ptr().cast()) };
        (code == 0).then_some(mask)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn set_mask(mask: &Mask) -> io::Result<()> {
        // SAFETY: 0 is the calling thread; the kernel reads the size given.
        match unsafe { libc::sched_setaffinity(0, size_of::<Mask>(), mask.as_ptr().cast()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// ggml knows no masks there, or none that could be read back.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn set_mask(_mask: &Mask) -> io::Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    pub(super) fn policy() -> Option<(i32, libc::sched_param)> {
        // SAFETY: plain integers.
        let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
        let mut policy = 0;
        // SAFETY: the calling thread, and two places to write to.
        let code = unsafe { libc::pthread_getschedparam(libc::pthread_self(), &mut policy, &mut param) };
        (code == 0).then_some((policy, param))
    }

    #[cfg(unix)]
    pub(super) fn set_policy(policy: i32, param: &libc::sched_param) -> io::Result<()> {
        // SAFETY: the calling thread, and initialised parameters.
        result(unsafe { libc::pthread_setschedparam(libc::pthread_self(), policy, param) })
    }

    /// The policies and priorities that ggml stands these numbers for.
    #[cfg(unix)]
    pub(super) fn set_prio(prio: i32) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        const LOW: i32 = libc::SCHED_BATCH;
        #[cfg(not(target_os = "linux"))]
        const LOW: i32 = libc::SCHED_OTHER;
        let (policy, priority) = match prio {
            ..0 => (LOW, 0),
            0 => return Ok(()),
            1 => (libc::SCHED_FIFO, 40),
            2 => (libc::SCHED_FIFO, 80),
            3.. => (libc::SCHED_FIFO, 90),
        };
        // SAFETY: plain integers.
        let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
        param.sched_priority = priority;
        set_policy(policy, &param)
    }

    #[cfg(not(unix))]
    pub(super) fn set_prio(_prio: i32) -> io::Result<()> {
        result(0)
    }
}
