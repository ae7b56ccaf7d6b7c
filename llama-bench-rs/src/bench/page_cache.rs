//! The page cache, which keeps the pages of a mapped file in place from one load to the next.

use std::path::Path;

use crate::llama::{LlamaError, LoadMode, Model};

/// What was done about the page cache of mapped model files before each load.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageCache {
    /// Nothing: all sides map the same files or none.
    Alike,
    /// The files were dropped and read again: their pages are in another place in each load.
    Redrawn,
    /// A file could not be dropped, and its pages were in the same place in every load: the reason. The place changes the
    /// speed on a CPU by up to 9 %, which then looks like a property of the file.
    Kept(String),
}

/// Whether weights may be read from the page cache itself rather than copied out of it.
pub(super) fn is_mapped(mode: LoadMode) -> bool {
    match mode {
        LoadMode::Auto | LoadMode::Mmap | LoadMode::MmapMlock => true,
        LoadMode::None | LoadMode::Mlock | LoadMode::DirectIo => false,
    }
}

/// Drops a model's files, all parts of a split one, from the page cache: the next load reads them from disk into other
/// pages. The files do not change; other programs that read them wait for the disk once.
///
/// # Errors
/// The reason: the file cannot be read, another program maps it, it is on a RAM disk, or this system cannot tell.
pub fn drop_from_page_cache(model: &Path) -> Result<(), String> {
    let files = Model::files(model).map_err(|error: LlamaError| error.to_string())?;
    files.iter().try_for_each(|file| {
        system::drop_file(file).map_err(|why| format!("{} stays in the page cache: {why}", file.display()))
    })
}

#[cfg(target_os = "linux")]
mod system {
    use std::{fs::File, io::IoSliceMut, path::Path};

    use rustix::{
        fs::{Advice, fadvise, fdatasync},
        io::{Errno, ReadWriteFlags, preadv2},
    };

    /// Places of a file that are inspected.
    const PLACES: u64 = 64;

    pub(super) fn drop_file(path: &Path) -> Result<(), String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let n_bytes = file.metadata().map_err(|error| error.to_string())?.len();
        // Dirty pages cannot be dropped. Some systems refuse this if there is nothing to write; the check below sees
        // pages that stay.
        let _ = fdatasync(&file);
        fadvise(&file, 0, None, Advice::DontNeed).map_err(|error| error.to_string())?;
        match n_kept(&file, n_bytes)? {
            // The kernel may leave a few that it is busy with.
            n if n * 8 <= PLACES.min(n_bytes.div_ceil(4096)) => Ok(()),
            _ => Err("another program maps it, or it lies on a disk in memory".into()),
        }
    }

    /// How many of the inspected places can be read without waiting for the disk.
    fn n_kept(file: &File, n_bytes: u64) -> Result<u64, String> {
        let n_places = PLACES.min(n_bytes.div_ceil(4096));
        // A read that finds nothing reads ahead, which would fill places that are checked later: this advice prevents it.
        let _ = fadvise(file, 0, None, Advice::Random);
        let mut n_kept = 0;
        for place in (0..n_places).rev() {
            let mut byte = [0];
            let at = n_bytes / n_places * place;
            match preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) {
                Ok(_) => n_kept += 1,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(format!("this file system does not tell what is cached ({error})")),
            }
        }
        Ok(n_kept)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::Path;

    pub(super) fn drop_file(_path: &Path) -> Result<(), String> {
        Err("only Linux can be asked to drop it".into())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::{
        gguf::{Shape, Synthetic},
        llama::ModelParams,
    };

    #[test]
    fn a_file_that_somebody_maps_stays_and_is_dropped_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        Synthetic::new(Shape::preset("tiny-llama").unwrap()).write_to(&path).unwrap();
        if let Err(why) = drop_from_page_cache(&path) {
            println!("SKIPPED: {why}");
            return;
        }
        // Weights that are repacked are copies, and nothing may be left that is mapped.
        let params = ModelParams::default().load_mode(LoadMode::Mmap).use_extra_bufts(false).no_devices(true);
        let model = Model::load_with(&path, &params).unwrap();
        let kept = drop_from_page_cache(&path).unwrap_err();
        assert!(kept.contains("tiny.gguf stays in the page cache: another program maps it"), "{kept}");
        drop(model);
        assert_eq!(drop_from_page_cache(&path), Ok(()));
    }

    #[test]
    fn what_cannot_be_dropped_says_why() {
        let missing = drop_from_page_cache(Path::new("missing.gguf")).unwrap_err();
        assert!(missing.contains("missing.gguf"), "{missing}");
    }
}
