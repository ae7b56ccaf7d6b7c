use std::fmt;

use super::{Level, Say};
use crate::{record::Run, report::in_words::bytes};

/// A smaller model may well lie in the caches.
const LARGE_BYTES: u64 = 64 << 20;

/// A model on the CPU that is mapped in small pages, in whole or in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmallPages {
    /// Bytes of files that are mapped, nearly all of them the model's.
    pub file_mapped: u64,
    /// Of them, in huge pages.
    pub file_pmd_mapped: u64,
}

/// `None` if the model is not mapped, lies in huge pages, is small or not on the CPU alone, or if that is not known.
pub(super) fn small_pages(run: &Run) -> Option<SmallPages> {
    let header = &run.header;
    let is_on_cpu = header.resolved.offloaded_layers.is_none_or(|(n_offloaded, _)| n_offloaded == 0);
    let size = header.model.size_bytes.filter(|&size| size >= LARGE_BYTES && is_on_cpu)?;
    let placement = header.placement?;
    let (file_mapped, file_pmd_mapped) = (placement.file_mapped?, placement.file_pmd_mapped?);
    let is_mapped = file_mapped >= size / 2;
    (is_mapped && file_pmd_mapped < file_mapped / 10).then_some(SmallPages { file_mapped, file_pmd_mapped })
}

impl Say for SmallPages {
    fn level(&self) -> Level {
        Level::Note
    }
}

impl fmt::Display for SmallPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_mapped, file_pmd_mapped } = *self;
        write!(
            f,
            "The model is mapped from a page cache in small pages, 4 KiB on most machines ({} of {} are in huge pages): \
             load mode none (-lm none) or a fresh copy of the file may be up to 9 % faster on the CPU.",
            bytes(file_pmd_mapped),
            bytes(file_mapped)
        )
    }
}
