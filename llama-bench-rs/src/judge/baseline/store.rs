use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use super::{
    BaselineError, Difference, Key,
    file::{self, Contents},
    name::Name,
};
use crate::record::{Report, Run, n_sittings};

/// Runs kept of one key by default: past that many, one more hardly narrows an interval.
const KEEP: usize = 10;

/// A folder of baselines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baselines {
    folder: PathBuf,
    keep: usize,
}

impl Default for Baselines {
    /// The folder `LLAMA_BENCH_BASELINES`, or `llama-bench-baselines` in cargo's target folder: `CARGO_TARGET_DIR`, or
    /// the one that the running executable lies in, or `target`.
    fn default() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = variable("LLAMA_BENCH_BASELINES").unwrap_or_else(|| {
            let target = variable("CARGO_TARGET_DIR").or_else(target_folder);
            target.unwrap_or_else(|| "target".into()).join("llama-bench-baselines")
        });
        Self::new(folder)
    }
}

/// Cargo marks its target folder as one that backups may leave out.
fn target_folder() -> Option<PathBuf> {
    let executable = env::current_exe().ok()?;
    executable.ancestors().skip(1).find(|dir| dir.join("CACHEDIR.TAG").is_file()).map(Path::to_owned)
}

impl Baselines {
    /// The baselines in a folder, which is made when the first is saved. It may be checked in.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), keep: KEEP }
    }

    /// How many runs of one configuration are kept, at least 1; 10 by default. A new one drops the oldest.
    #[must_use]
    pub fn keep(mut self, n_runs: usize) -> Self {
        self.keep = n_runs.max(1);
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds the runs of a report to the baseline of this name and returns it with all runs that it now has of their
    /// configurations. A baseline is of one build of llama.cpp: a run of another build replaces it. Several
    /// processes may save at the same time.
    ///
    /// # Errors
    /// The name cannot be a file's, nothing was measured, a file that is there is damaged or of a newer version, or
    /// the system refuses to write.
    pub fn save(&self, name: &str, report: &Report) -> Result<Baseline, BaselineError> {
        self.write(name, report, |path| {
            let earlier = file::read(path)?;
            Ok(earlier.map(|contents| contents.report.runs).unwrap_or_default())
        })
    }

    /// Replaces the baseline of this name by the runs of a report, in place of those that it has of their
    /// configurations, and of files that are damaged. Other configurations and machines keep theirs.
    ///
    /// # Errors
    /// The name cannot be a file's, nothing was measured, or the system refuses to write.
    pub fn renew(&self, name: &str, report: &Report) -> Result<Baseline, BaselineError> {
        self.write(name, report, |_| Ok(Vec::new()))
    }

    /// Writes a report's runs after those that a file has before.
    fn write(
        &self,
        name: &str,
        report: &Report,
        earlier: impl Fn(&Path) -> Result<Vec<Run>, BaselineError>,
    ) -> Result<Baseline, BaselineError> {
        let name = Name::new(name)?;
        let groups = by_key(report)?;
        let folder = self.folder.join(name.as_str());
        let io = |doing| {
            let path = folder.clone();
            move |source| BaselineError::Io { path, doing, source }
        };
        fs::create_dir_all(&folder).map_err(io("make the folder"))?;
        // Held until it is dropped: what is read below is what is replaced.
        let lock = fs::File::create(folder.join(".lock")).map_err(io("lock"))?;
        lock.lock().map_err(io("lock"))?;
        let mut files = Vec::new();
        for (key, runs) in groups {
            let path = folder.join(file::file_name(&key));
            let before = earlier(&path)?;
            let build = runs.last().map(|run| run.header.build.clone());
            let mut kept: Vec<Run> = before
                .into_iter()
                .chain(runs)
                .filter(|run| Some(&run.header.build) == build.as_ref())
                .collect();
            kept.drain(..kept.len().saturating_sub(self.keep));
            let contents = file::new(&name, key, Report { runs: kept });
            file::write(&folder, &path, &contents)?;
            files.push((path, contents));
        }
        Ok(Baseline::of(&name, files))
    }

    /// The baseline of this name for what a report measured: the same machine, model and configurations.
    ///
    /// # Errors
    /// There is none of this name; it is of something else, and the error says in what it differs; a file is damaged
    /// or of a newer version; or nothing was measured.
    pub fn load(&self, name: &str, report: &Report) -> Result<Baseline, BaselineError> {
        let name = Name::new(name)?;
        let files: Result<Vec<_>, _> =
            by_key(report)?.into_keys().map(|key| self.find(&name, &key)).collect();
        Ok(Baseline::of(&name, files?))
    }

    /// The reports of all files that match a key with fewer fields, at least one.
    pub(super) fn candidates(&self, name: &str, key: &Key) -> Result<Vec<Report>, BaselineError> {
        let name = Name::new(name)?;
        let (_, found) = self.find(&name, key)?;
        let read = self.files(&name).into_iter().filter_map(|path| file::read(&path).ok().flatten());
        let is_other =
            |contents: &Contents| contents.key != found.key && contents.key.differences(key).is_empty();
        let others: Vec<Report> = read.filter(is_other).map(|contents| contents.report).collect();
        Ok(std::iter::once(found.report).chain(others).collect())
    }

    /// Whether there is a baseline of this name, of any machine, model and configuration.
    ///
    /// # Errors
    /// The name cannot be a file's.
    pub fn contains(&self, name: &str) -> Result<bool, BaselineError> {
        Ok(!self.files(&Name::new(name)?).is_empty())
    }

    /// [`check`](Self::check) of a baseline that has to be there.
    ///
    /// # Errors
    /// There is no baseline of this name, and those of `check`.
    pub fn require(&self, name: &str) -> Result<(), BaselineError> {
        if self.contains(name)? { self.check(name) } else { Err(self.not_found(&Name::new(name)?)) }
    }

    /// Reads every file of the baseline of this name, to find damage before anything is measured.
    ///
    /// # Errors
    /// The name cannot be a file's, a file is damaged, or none can be read.
    pub fn check(&self, name: &str) -> Result<(), BaselineError> {
        let (mut is_read, mut unread) = (false, None);
        for path in self.files(&Name::new(name)?) {
            match file::read(&path) {
                Ok(_) => is_read = true,
                Err(error @ BaselineError::Damaged { .. }) => return Err(error),
                // A newer version may have written the file of another machine.
                Err(error) => unread = Some(error),
            }
        }
        match unread {
            Some(error) if !is_read => Err(error),
            _ => Ok(()),
        }
    }

    /// The names of all baselines, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| Name::new(name).is_ok_and(|name| !self.files(&name).is_empty())).collect();
        names.sort_unstable();
        names
    }

    fn files(&self, name: &Name) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join(name.as_str())).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| file::is_ours(path)).collect();
        files.sort_unstable();
        files
    }

    fn find(&self, name: &Name, key: &Key) -> Result<(PathBuf, Contents), BaselineError> {
        let exact = self.folder.join(name.as_str()).join(file::file_name(key));
        if let Some(contents) = file::read(&exact)?.filter(|contents| contents.key == *key) {
            return Ok((exact, contents));
        }
        // Reports of other tools and files of older versions have fewer fields: their key is another, without a field that
        // differs.
        // A file of this machine is closer than any file of another machine.
        let distance = |differences: &[Difference]| {
            (differences.iter().any(Difference::is_of_another_machine), differences.len())
        };
        let mut closest: Option<(PathBuf, Vec<Difference>)> = None;
        let mut unreadable = None;
        for path in self.files(name) {
            let contents = match file::read(&path) {
                Ok(Some(contents)) => contents,
                Ok(None) => continue,
                Err(error) => {
                    unreadable = Some(error);
                    continue;
                }
            };
            let differences = contents.key.differences(key);
            if differences.is_empty() {
                return Ok((path, contents));
            }
            if closest.as_ref().is_none_or(|(_, least)| distance(&differences) < distance(least)) {
                closest = Some((path, differences));
            }
        }
        if let Some(error) = unreadable {
            return Err(error);
        }
        Err(match closest {
            Some((path, differences)) => BaselineError::Differs { name: name.to_string(), path, differences },
            None => self.not_found(name),
        })
    }

    fn not_found(&self, name: &Name) -> BaselineError {
        let names = self.names();
        let known =
            if names.is_empty() { String::new() } else { format!(" (there are: {})", names.join(", ")) };
        BaselineError::NotFound { name: name.to_string(), folder: self.folder.clone(), known }
    }
}

/// The runs with samples by what they are of, in the order measured.
fn by_key(report: &Report) -> Result<BTreeMap<Key, Vec<Run>>, BaselineError> {
    let mut groups: BTreeMap<Key, Vec<Run>> = BTreeMap::new();
    for run in &report.runs {
        if run.cells.iter().any(|cell| cell.failure().is_none()) {
            groups.entry(Key::of(&run.header)).or_default().push(run.clone());
        }
    }
    if groups.is_empty() {
        let hint = if report.runs.is_empty() { "it is empty" } else { "every one failed, and says why" };
        return Err(BaselineError::NothingMeasured { hint });
    }
    Ok(groups)
}

/// A baseline that was loaded or saved: the runs that it has of the configurations asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    name: String,
    files: Vec<PathBuf>,
    report: Report,
}

impl Baseline {
    fn of(name: &Name, files: Vec<(PathBuf, Contents)>) -> Self {
        let (files, contents): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let runs = contents.into_iter().flat_map(|contents| contents.report.runs).collect();
        Self { name: name.to_string(), files, report: Report { runs } }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its files, one per configuration.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How many sittings its runs were recorded in: a run that begins over an hour after the one before ended begins a new one.
    /// `None` if a run does not say when it began, or there are none.
    pub fn n_sittings(&self) -> Option<usize> {
        n_sittings(&self.report.runs.iter().collect::<Vec<_>>())
    }

    /// The same with further runs.
    pub(crate) fn n_sittings_with(&self, report: &Report) -> Option<usize> {
        n_sittings(&self.report.runs.iter().chain(&report.runs).collect::<Vec<_>>())
    }

    /// Its runs.
    pub fn report(&self) -> &Report {
        &self.report
    }
}

impl AsRef<Report> for Baseline {
    fn as_ref(&self) -> &Report {
        &self.report
    }
}
