use std::fmt;

use super::{Level, Say};
use crate::{
    record::{FlashAttnSetting, Header, Rewind, Run, Test},
    report::in_words::count,
};

/// What llama.cpp made of the configuration, and how the depths were reached.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Setup {
    /// Layers on devices.
    Offload {
        /// How many are there, the output layer counted.
        n_offloaded: u32,
        /// How many there are.
        n_layers: u32,
        /// How many were asked for, negative for all; `None` if that is not known.
        n_asked: Option<i32>,
        /// Whether llama.cpp saw a GPU.
        has_gpu: bool,
    },
    /// Flash attention.
    FlashAttention {
        /// What was asked for; `None` if that is not known.
        asked: Option<FlashAttnSetting>,
        /// Whether it was really used.
        used: bool,
    },
    /// Cells whose context could not come back to its depth and was filled again before each repetition.
    Refilled {
        /// How many there are.
        n_cells: usize,
        /// The first of them.
        test: Test,
    },
}

/// Whether only the CPU was asked for: layers that are to go on no other device are asked for on none.
pub(in crate::report) fn is_on_cpu(header: &Header) -> bool {
    let is_cpu =
        |name: &str| header.host.devices.iter().any(|device| device.name == name && device.is_processor());
    header.config.devices == "none" || header.config.devices.split('/').all(is_cpu)
}

pub(super) fn setup(run: &Run) -> Vec<Setup> {
    let (config, resolved) = (&run.header.config, &run.header.resolved);
    let is_gpu = |kind: &str| matches!(kind, "gpu" | "igpu" | "meta");
    let devices = &run.header.host.devices;
    let offload = resolved.offloaded_layers.map(|(n_offloaded, n_layers)| Setup::Offload {
        n_offloaded,
        n_layers,
        n_asked: if is_on_cpu(&run.header) { Some(0) } else { config.n_gpu_layers },
        has_gpu: devices.iter().any(|device| is_gpu(&device.kind)),
    });
    let flash_attention =
        resolved.flash_attn.map(|used| Setup::FlashAttention { asked: config.flash_attn, used });
    [offload, flash_attention, refilled(run)].into_iter().flatten().collect()
}

fn refilled(run: &Run) -> Option<Setup> {
    let is_refilled =
        |cell: &&crate::record::Cell| cell.measured().is_some_and(|m| m.rewind == Some(Rewind::Refill));
    let mut refilled = run.cells.iter().filter(is_refilled);
    let test = refilled.next()?.test;
    Some(Setup::Refilled { n_cells: 1 + refilled.count(), test })
}

impl Setup {
    /// Whether more layers were asked for than are on devices, though the model has them.
    fn is_short(n_offloaded: u32, n_layers: u32, n_asked: Option<i32>) -> bool {
        let wanted = |n: i32| u32::try_from(n).unwrap_or(n_layers).min(n_layers);
        n_asked.is_some_and(|n| n_offloaded < wanted(n))
    }
}

impl Say for Setup {
    fn level(&self) -> Level {
        match *self {
            Setup::Offload { has_gpu: false, .. } => Level::Note,
            Setup::Offload { n_offloaded, n_layers, .. } if n_offloaded == n_layers => Level::Good,
            Setup::Offload { n_offloaded, n_layers, n_asked, .. }
                if Self::is_short(n_offloaded, n_layers, n_asked) =>
            {
                Level::Warning
            }
            Setup::Offload { .. } => Level::Note,
            Setup::FlashAttention { asked: Some(FlashAttnSetting::On), used: false }
            | Setup::FlashAttention { asked: Some(FlashAttnSetting::Off), used: true } => Level::Warning,
            Setup::FlashAttention { .. } => Level::Note,
            Setup::Refilled { .. } => Level::Note,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Setup::Offload { n_layers, n_offloaded: 0, has_gpu: false, .. } => {
                write!(f, "All {n_layers} layers ran on the CPU: llama.cpp saw no GPU.")
            }
            Setup::Offload { n_offloaded, n_layers, n_asked, .. } => {
                write!(f, "{n_offloaded} of {n_layers} layers (output layer counted) are on devices")?;
                match n_asked {
                    None => {}
                    Some(..0) => write!(f, ", all asked for")?,
                    Some(n) => write!(f, ", {n} asked for")?,
                }
                if Self::is_short(n_offloaded, n_layers, n_asked) {
                    write!(f, ": the rest runs on the CPU and sets the speed.")
                } else {
                    write!(f, ".")
                }
            }
            Setup::FlashAttention { asked, used } => {
                let used = if used { "was used" } else { "was not used" };
                match (asked, self.level()) {
                    (None, _) => write!(f, "Flash attention {used}."),
                    (Some(FlashAttnSetting::Auto), _) => {
                        write!(f, "Flash attention {used}; llama.cpp was left to decide.")
                    }
                    (Some(FlashAttnSetting::On), Level::Warning) => {
                        write!(f, "Flash attention was asked for but {used}.")
                    }
                    (Some(FlashAttnSetting::Off), Level::Warning) => {
                        write!(f, "Flash attention was to be off but {used}.")
                    }
                    _ => write!(f, "Flash attention {used}, as asked for."),
                }
            }
            Setup::Refilled { n_cells, test } => write!(
                f,
                "The context was filled again before each repetition of {}, first in {test}: this model's memory cannot \
                 be brought back otherwise. The figures are right, only the run takes longer.",
                count(n_cells, "cell")
            ),
        }
    }
}
