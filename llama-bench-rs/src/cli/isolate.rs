//! The flag for processes of their own.

use crate::isolate::Isolation;

/// Whether configurations are measured in processes of their own ([`isolate`](crate::isolate)): the program calls
/// [`isolate::child`](crate::isolate::child()) first in `main`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct IsolateArgs {
    /// Measure each configuration in a process of its own
    ///
    /// A crash, or a kernel that needs memory, then costs one configuration, and the others are still measured. They are
    /// measured one after the other: repetitions are not interleaved. With --rpc this is always so, because a lost server
    /// ends the process that uses it.
    #[arg(long, help_heading = "Statistics", hide_short_help = true)]
    pub isolate: bool,
}

impl IsolateArgs {
    /// How to isolate, if that was asked for or if `servers` are used: llama.cpp ends a process whose server is lost.
    pub fn isolation(&self, servers: &[String]) -> Option<Isolation> {
        (self.isolate || !servers.is_empty()).then(Isolation::new)
    }
}
