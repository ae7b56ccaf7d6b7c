//! Linux's powercap tree: energy of processors and their memory, from Intel and AMD.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Source, meter::EnergyMeter};
use crate::record::{Meter, MeterDomain};

/// A file with a number of microjoules.
pub(super) struct CountFile {
    path: PathBuf,
    wraps_at_uj: Option<u64>,
}

impl CountFile {
    /// Reads it once.
    pub(super) fn open(path: &Path, wraps_at_uj: Option<u64>) -> io::Result<Self> {
        let file = Self { path: path.to_owned(), wraps_at_uj };
        file.read()?;
        Ok(file)
    }

    fn read(&self) -> io::Result<u64> {
        let text = fs::read_to_string(&self.path)?;
        text.trim().parse().map_err(|_| io::Error::other(format!("{:?} is not a number", text.trim())))
    }
}

impl EnergyMeter for CountFile {
    fn read_uj(&mut self) -> Option<u64> {
        self.read().ok()
    }

    fn wraps_at_uj(&self) -> Option<u64> {
        self.wraps_at_uj
    }
}

/// The counters of packages and memory under `class/powercap` of this tree of sysfs, by name, and those that cannot be read
/// with the reason. Cores and what else is part of a package are left out, and the platform, which holds all of them.
pub(super) fn find(sys: &Path) -> (Vec<Source>, Vec<String>) {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let Ok(zones) = fs::read_dir(sys.join("class/powercap")) else { return (found, unreadable) };
    let mut zones: Vec<PathBuf> = zones.filter_map(|zone| Some(zone.ok()?.path())).collect();
    zones.sort();
    let mut package = String::new();
    for zone in zones {
        let (id, name) = (file_name(&zone), text(&zone.join("name")).unwrap_or_default());
        // `intel-rapl-mmio` counts the same packages once more.
        if !id.starts_with("intel-rapl:") && !id.starts_with("amd-rapl:") {
            continue;
        }
        let (domain, name) = if name.starts_with("package") {
            package.clone_from(&name);
            (MeterDomain::Package, name)
        } else if name == "dram" {
            (MeterDomain::Dram, format!("dram of {package}"))
        } else {
            continue;
        };
        let wraps_at = text(&zone.join("max_energy_range_uj")).and_then(|text| text.parse().ok());
        let path = zone.join("energy_uj");
        match CountFile::open(&path, wraps_at) {
            Ok(meter) => {
                let facts = Meter { name, domain, source: "powercap".into(), ..Meter::default() };
                found.push(Source { facts, meter: Box::new(meter) });
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                unreadable.push(format!("{name}: only root may read {}", path.display()));
            }
            Err(error) => unreadable.push(format!("{name}: {}: {error}", path.display())),
        }
    }
    (found, unreadable)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}
