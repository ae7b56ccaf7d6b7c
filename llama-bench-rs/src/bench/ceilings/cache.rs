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
const VERSION: u32 = 3;

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

    /// What was measured for this key, and holds; `None` if nothing was, or it cannot be read, which is told.
    pub(super) fn read(&self, key: &Key, tell: &mut dyn FnMut(String)) -> Option<Ceilings> {
        let path = self.path(key)?;
        let mut tell =
            |why: &str| tell(format!("{}: {why}; the ceilings are measured again", path.display()));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tell(&format!("cannot be read ({error})"));
                return None;
            }
        };
        match serde_json::from_str::<Contents>(&text) {
            Ok(contents) if contents.key != *key => None,
            Ok(Contents { ceilings, .. }) if !is_of(&ceilings, key) => {
                tell(&format!("not ceilings of {}", key.device));
                None
            }
            Ok(Contents { mut ceilings, .. }) => {
                let n = ceilings.rates.len();
                retain_valid(&mut ceilings.rates);
                if ceilings.rates.len() < n {
                    let n_left_out = n - ceilings.rates.len();
                    tell(&format!("{n_left_out} of {n} rates are not valid or appear twice"));
                }
                Some(ceilings)
            }
            Err(error) => {
                tell(&format!("damaged ({error})"));
                None
            }
        }
    }

    /// Keeps them for later runs. If that fails, later runs measure again, which is told.
    pub(super) fn write(&self, key: &Key, ceilings: &Ceilings, tell: &mut dyn FnMut(String)) {
        let Some(folder) = &self.0 else {
            tell("no cache folder is known: set LLAMA_BENCH_CACHE to keep ceilings for the next run".into());
            return;
        };
        let path = folder.join(key.file_name());
        let contents = Contents { key: key.clone(), ceilings: ceilings.clone() };
        if let Err(error) = replace(folder, &path, &contents) {
            tell(format!(
                "{}: cannot be written ({error}); the next run measures the ceilings again, unless LLAMA_BENCH_CACHE \
                 names a folder that can be written",
                path.display()
            ));
        }
    }
}

fn is_of(ceilings: &Ceilings, key: &Key) -> bool {
    ceilings.device == key.device && ceilings.n_threads == key.n_threads
}

/// Leaves out what cannot be a ceiling, what other programs disturbed, and what is there twice: nothing says which holds.
fn retain_valid(rates: &mut Vec<Ceiling>) {
    let all = rates.clone();
    rates.retain(|rate| {
        let is_only = all.iter().filter(|other| other.subject() == rate.subject()).count() == 1;
        rate.is_sound() && !rate.is_disturbed() && is_only
    });
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

    /// What is read, and what is said of it.
    fn read(cache: &Cache, key: &Key) -> (Option<Ceilings>, Vec<String>) {
        let mut told = Vec::new();
        (cache.read(key, &mut |why| told.push(why)), told)
    }

    fn write(cache: &Cache, key: &Key, ceilings: &Ceilings) -> Vec<String> {
        let mut told = Vec::new();
        cache.write(key, ceilings, &mut |why| told.push(why));
        told
    }

    const SILENT: Vec<String> = Vec::new();

    #[test]
    fn what_was_written_is_read_for_the_same_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("new"));
        let key = key(Some(2));
        let nothing = (None, SILENT);
        assert_eq!(read(&cache, &key), nothing);
        assert_eq!(write(&cache, &key, &ceilings()), SILENT);
        assert_eq!(read(&cache, &key), (Some(ceilings()), SILENT));
        let build = Build { commit: "0000000".into(), ..key.build.clone() };
        assert_eq!(read(&cache, &Key { build, ..key.clone() }), nothing, "another build");
        assert_eq!(read(&cache, &Key { driver: "another".into(), ..key.clone() }), nothing);
        assert_eq!(read(&cache, &Key { n_threads: Some(3), ..key.clone() }), nothing);
        let other = Key { version: VERSION + 1, ..key.clone() };
        assert_eq!(read(&cache, &other), nothing);
        assert_eq!(write(&cache, &other, &ceilings()), SILENT);
        let both = [&other, &key].map(|key| read(&cache, key).0);
        assert_eq!(both, [Some(ceilings()), Some(ceilings())], "a file for each");
        // Somebody renamed it.
        fs::rename(cache.path(&other).unwrap(), cache.path(&key).unwrap()).unwrap();
        assert_eq!(read(&cache, &key), nothing);
    }

    #[test]
    fn a_damaged_file_is_named_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::at(folder.path()), key(Some(2)));
        write(&cache, &key, &ceilings());
        let path = folder.path().join(key.file_name());
        let text = fs::read_to_string(&path).unwrap();
        let is_refused = |why: &str| {
            let (found, told) = read(&cache, &key);
            let named = path.display().to_string();
            assert!(told.len() == 1 && told[0].contains(&named) && told[0].contains(why), "{told:?}");
            assert_eq!(found, None, "{why}");
        };
        for damaged in [&text[..text.len() / 2], "", "[]"] {
            fs::write(&path, damaged).unwrap();
            is_refused("damaged");
        }
        write(&cache, &key, &Ceilings { device: "GPU".into(), ..ceilings() });
        is_refused("not ceilings of CPU");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        is_refused("cannot be read");
        write(&cache, &key, &ceilings());
        assert_eq!(read(&cache, &key), (Some(ceilings()), SILENT));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
    }

    #[test]
    fn of_the_rates_of_a_file_those_are_read_that_can_hold() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, key) = (Cache::at(folder.path()), key(Some(2)));
        let good = ceilings().rates.remove(0);
        let other = |data_type: &str| Ceiling { data_type: data_type.into(), ..good.clone() };
        let zero = Ceiling { per_second: 0.0, ..other("f16") };
        let disturbed = Ceiling { disturbed: Some(true), ..other("bf16") };
        let watched = Ceiling { disturbed: Some(false), ..other("q8_0") };
        let slower = Ceiling { per_second: 12.2e9, ..other("q4_0") };
        let columns = Ceiling { n_columns: Some(512), ..good.clone() };
        let size = Ceiling { matrix_bytes: Some(1 << 20), ..good.clone() };
        let rates = |rates: &[&Ceiling]| rates.iter().map(|&rate| rate.clone()).collect::<Vec<_>>();
        let all =
            rates(&[&good, &zero, &disturbed, &watched, &slower, &other("q4_0"), &slower, &columns, &size]);
        write(&cache, &key, &Ceilings { rates: all, ..ceilings() });
        let (found, told) = read(&cache, &key);
        assert_eq!(found.unwrap().rates, rates(&[&good, &watched, &columns, &size]));
        assert!(told.len() == 1 && told[0].contains("5 of 9 rates"), "{told:?}");
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let (cache, key) = (Cache::at(&file.join("below")), key(None));
        let named = |told: Vec<String>, what: &str| {
            let path = file.join("below").display().to_string();
            assert!(told.len() == 1 && told[0].contains(&path) && told[0].contains(what), "{told:?}");
        };
        named(write(&cache, &key, &ceilings()), "cannot be written");
        let (found, told) = read(&cache, &key);
        // Some systems call what lies below a file missing.
        if !told.is_empty() {
            named(told, "cannot be read");
        }
        assert_eq!(found, None);
        let nowhere = Cache(None);
        assert_eq!(read(&nowhere, &key), (None, SILENT));
        assert!(write(&nowhere, &key, &ceilings())[0].contains("LLAMA_BENCH_CACHE"));
    }
}
