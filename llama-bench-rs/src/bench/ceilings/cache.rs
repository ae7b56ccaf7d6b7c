//! Ceilings of earlier runs: a file for each device in the user's cache folder.

use std::{
    collections::BTreeMap,
    fs,
    hash::Hasher as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use fnv::FnvHasher;
use serde::{Deserialize, Serialize};

use crate::{
    gguf::cache_folder,
    llama::{Backend, Build, Device, build_info},
    record::{Ceiling, Ceilings},
};

/// Raised when measuring changes: files of before are then measured again.
const VERSION: u32 = 2;

/// What ceilings hold for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    version: u32,
    /// A home folder may be of several machines; `None` if machines have no id.
    machine: Option<String>,
    device: String,
    description: String,
    /// Its place on the PCI bus: two GPUs of one kind are two devices.
    pci_bus_id: Option<String>,
    driver: String,
    build: Build,
    /// What its backend was compiled with.
    features: BTreeMap<String, String>,
    n_threads: Option<u32>,
    /// CPUs that this process may use, of a CPU: fewer in a container or under `taskset`.
    n_cpus: Option<usize>,
}

impl Key {
    pub(super) fn of(backend: &Backend, device: &Device, n_threads: Option<u32>) -> Self {
        let name = device.backend_name();
        // The CPU's description is ggml's, and the same on every machine of some systems.
        let description = if n_threads.is_some() { backend.cpu_info() } else { device.description() };
        Self {
            version: VERSION,
            machine: machine_id(),
            device: device.name(),
            description,
            pci_bus_id: device.pci_bus_id(),
            driver: if n_threads.is_some() { String::new() } else { crate::bench::monitor::driver() },
            build: build_info(),
            features: backend.features().remove(&name).unwrap_or_default(),
            n_threads,
            n_cpus: n_threads.and(std::thread::available_parallelism().ok()).map(Into::into),
        }
    }

    /// A file for each key, so that two builds in turn keep theirs.
    fn file_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let device: String = self.device.chars().map(plain).collect();
        let threads = self.n_threads.map(|n| format!("-{n}-threads")).unwrap_or_default();
        let mut hasher = FnvHasher::default();
        // A key that could not be written would share a file, and the key within tells whose it is.
        hasher.write(&serde_json::to_vec(self).unwrap_or_default());
        format!("{device}{threads}-{:016x}.json", hasher.finish())
    }
}

/// What systemd and D-Bus call this installation of Linux.
fn machine_id() -> Option<String> {
    let text = fs::read_to_string("/etc/machine-id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Contents {
    key: Key,
    ceilings: Ceilings,
}

/// A folder of such files.
#[derive(Clone, Debug)]
pub(super) struct Cache(Option<PathBuf>);

impl Cache {
    /// In the cache folder of the crate; nothing is kept if there is none.
    pub(super) fn of_user() -> Self {
        Self(cache_folder().map(|folder| folder.join("ceilings")))
    }

    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Self {
        Self(Some(folder.to_owned()))
    }

    fn path(&self, key: &Key) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join(key.file_name()))
    }

    /// What was measured for this key; `None` if nothing was, or it cannot be read.
    pub(super) fn read(&self, key: &Key) -> Option<Ceilings> {
        let path = self.path(key)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("{}: cannot be read ({error}): ceilings are measured again", path.display());
                return None;
            }
        };
        match serde_json::from_str::<Contents>(&text) {
            Ok(contents) if contents.key != *key => None,
            Ok(Contents { ceilings, .. }) if is_sound(&ceilings, key) => Some(ceilings),
            Ok(_) => {
                tracing::warn!("{}: not ceilings of {}: they are measured again", path.display(), key.device);
                None
            }
            Err(error) => {
                tracing::warn!("{}: damaged ({error}): ceilings are measured again", path.display());
                None
            }
        }
    }

    /// Keeps them for later runs. If that fails, later runs measure again.
    pub(super) fn write(&self, key: &Key, ceilings: &Ceilings) {
        let Some(folder) = &self.0 else { return };
        let path = folder.join(key.file_name());
        let contents = Contents { key: key.clone(), ceilings: ceilings.clone() };
        if let Err(error) = replace(folder, &path, &contents) {
            tracing::warn!(
                "{}: cannot be written ({error}): ceilings are measured again by the next run",
                path.display()
            );
        }
    }
}

/// Whether these can be ceilings of this device.
fn is_sound(ceilings: &Ceilings, key: &Key) -> bool {
    let is_of_device = ceilings.device == key.device && ceilings.n_threads == key.n_threads;
    is_of_device && ceilings.rates.iter().all(Ceiling::is_sound)
}

/// As a whole: another run finds the old file or the new one.
fn replace(folder: &Path, path: &Path, contents: &Contents) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".ceilings-").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(contents)?)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n_threads: Option<u32>) -> Key {
        let backend = Backend::init().unwrap();
        Key::of(&backend, &backend.device("CPU").unwrap(), n_threads)
    }

    fn ceilings() -> Ceilings {
        let rate = Ceiling {
            data_type: "f32".into(),
            per_second: 12.5e9,
            lower: 12e9,
            upper: 12.5e9,
            n: 7,
            ..Ceiling::default()
        };
        Ceilings { device: "CPU".into(), n_threads: Some(2), rates: vec![rate], ..Ceilings::default() }
    }

    #[test]
    fn what_was_written_is_read_for_the_same_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("new"));
        let key = key(Some(2));
        assert_eq!(cache.read(&key), None);
        cache.write(&key, &ceilings());
        assert_eq!(cache.read(&key), Some(ceilings()));
        let build = Build { commit: "0000000".into(), ..key.build.clone() };
        assert_eq!(cache.read(&Key { build, ..key.clone() }), None, "another build");
        assert_eq!(cache.read(&Key { driver: "another".into(), ..key.clone() }), None);
        assert_eq!(cache.read(&Key { n_threads: Some(3), ..key.clone() }), None);
        let other = Key { version: VERSION + 1, ..key.clone() };
        assert_eq!(cache.read(&other), None);
        cache.write(&other, &ceilings());
        assert_eq!(
            (cache.read(&other), cache.read(&key)),
            (Some(ceilings()), Some(ceilings())),
            "a file for each"
        );
        // Somebody renamed it.
        fs::rename(cache.path(&other).unwrap(), cache.path(&key).unwrap()).unwrap();
        assert_eq!(cache.read(&key), None);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::at(folder.path()), key(Some(2)));
        cache.write(&key, &ceilings());
        let path = folder.path().join(key.file_name());
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [&text[..text.len() / 2], "", "[]"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.read(&key), None);
        }
        fs::write(&path, text.replace("12500000000.0", "0.0")).unwrap();
        assert_eq!(cache.read(&key), None, "no rate is zero");
        cache.write(&key, &Ceilings { device: "GPU".into(), ..ceilings() });
        assert_eq!(cache.read(&key), None, "of another device");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(cache.read(&key), None);
        cache.write(&key, &ceilings());
        assert_eq!(cache.read(&key), Some(ceilings()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let (cache, key) = (Cache::at(&file.join("below")), key(None));
        cache.write(&key, &ceilings());
        assert_eq!(cache.read(&key), None);
    }
}
