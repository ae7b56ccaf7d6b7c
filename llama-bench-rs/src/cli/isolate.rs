//! The flag for processes of their own.

use crate::isolate::Isolation;

/// Whether configurations are measured in processes of their own ([`isolate`](crate::isolate)): the program calls
/// [`isolate::child`](crate::isolate::child()) first in `main`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct IsolateArgs {
    /// Measure each configuration in a process of its own
    ///
    /// A crash, or a kernel that needs memory, then costs one configuration, and the others are still measured. They are
    /// measured one after the other: repetitions are not interleaved.
    #[arg(long, help_heading = "Statistics", hide_short_help = true)]
    pub isolate: bool,
}

impl IsolateArgs {
    /// How to isolate, if that was asked for.
    pub fn isolation(&self) -> Option<Isolation> {
        self.isolate.then(Isolation::new)
    }
}
