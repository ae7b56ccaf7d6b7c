//! The most that the devices of a model do, measured by ggml's own kernels before a run.

mod cache;
mod groups;
mod measure;
mod wanted;

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    engine::utc_now,
    metering::Participant,
    monitor,
    observe::{Cancel, Event, Observer},
};
use crate::{
    llama::{Backend, ContextParams, DeviceKind, Model},
    record::{Ceilings, GpuConditions, merge_conditions},
};
use cache::{Cache, Key};
use measure::{Effort, measure};
use wanted::Wanted;

/// Whether the ceilings of the devices are measured before a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CeilingPolicy {
    /// They are not.
    #[default]
    Off,
    /// They are, unless an earlier run of this build measured them: ceilings are kept in the user's cache folder.
    Cached,
    /// They are measured again, once for this process and its isolated ones.
    Renewed,
}

/// Groups of repetitions whose fastest lie further apart than this were disturbed.
const STEADY: f64 = 0.5;

/// What this process has measured or read.
static KNOWN: Mutex<Vec<(Key, Ceilings)>> = Mutex::new(Vec::new());

/// Whether a problem of the cache was told: what is wrong with one file is wrong with all of the folder.
static CACHE_PROBLEM_TOLD: AtomicBool = AtomicBool::new(false);

/// When ceilings were first to be renewed, in UTC.
static RENEWED_AFTER: OnceLock<String> = OnceLock::new();

/// Ceilings measured later need not be renewed: this process measured them, or an isolated one.
pub(crate) fn renewed_after() -> String {
    RENEWED_AFTER.get_or_init(utc_now).clone()
}

/// In an isolated process: renews what was measured up to this time of its parent.
pub(crate) fn renew_after(time: String) {
    _ = RENEWED_AFTER.set(time);
}

/// The ceilings that a run of this model needs, one entry for each of its devices on this machine. Empty if none are asked
/// for, or it was cancelled.
pub(super) fn of(
    model: &Model,
    context: &ContextParams,
    policy: CeilingPolicy,
    observer: &mut dyn Observer,
    cancel: &Cancel,
) -> Vec<Ceilings> {
    let (CeilingPolicy::Cached | CeilingPolicy::Renewed, Ok(backend)) = (policy, Backend::init()) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for wanted in Wanted::all(model, context) {
        let key = Key::of(&backend, &wanted.device, wanted.n_threads);
        let effort = Effort::of(&wanted.device, wanted.n_threads);
        let before = lock().iter().find(|(of, _)| *of == key).map(|(_, it)| it.clone());
        let cache = Cache::of_user();
        // Both are written as `2026-01-31T12:00:00Z`.
        let counts = |kept: &Ceilings| policy == CeilingPolicy::Cached || kept.measured_at > renewed_after();
        let mut problems = Vec::new();
        let before =
            before.or_else(|| cache.read(&key, &mut |problem| problems.push(problem)).filter(counts));
        let Some(found) = complete(&wanted, before.clone(), &effort, observer, cancel) else {
            return Vec::new();
        };
        // What was measured with little memory is not for runs that have more.
        if before.as_ref() != Some(&found) && effort.is_whole {
            cache.write(&key, &steady(&found), &mut |problem| problems.push(problem));
        }
        tell(&problems, &CACHE_PROBLEM_TOLD, observer);
        let mut memo = lock();
        memo.retain(|(of, _)| *of != key);
        memo.push((key, found.clone()));
        all.push(only(&wanted, found));
    }
    all
}

/// The rates that measurements agree on, and that other programs did not disturb as far as the system counts it. The next
/// run measures the others again.
fn steady(found: &Ceilings) -> Ceilings {
    let mut kept = found.clone();
    kept.rates.retain(|rate| !rate.is_disturbed() && rate.lower >= STEADY * rate.upper);
    kept
}

/// The first problem of a process.
fn tell(problems: &[String], is_told: &AtomicBool, observer: &mut dyn Observer) {
    for problem in problems {
        tracing::debug!("{problem}");
        if !is_told.swap(true, Ordering::Relaxed) {
            observer.event(&Event::CeilingsCache { problem });
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, Vec<(Key, Ceilings)>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures what is not known yet; `None` if it was cancelled.
fn complete(
    wanted: &Wanted,
    before: Option<Ceilings>,
    effort: &Effort,
    observer: &mut dyn Observer,
    cancel: &Cancel,
) -> Option<Ceilings> {
    let device = wanted.device.name();
    let mut found = before.unwrap_or_else(|| Ceilings {
        device: device.clone(),
        n_threads: wanted.n_threads,
        ..Ceilings::default()
    });
    let missing: Vec<_> =
        wanted.rates.iter().filter(|rate| !found.rates.iter().any(|it| rate.is(it))).copied().collect();
    let (n, mut n_disturbed) = (missing.len(), 0);
    for (n_done, rate) in missing.into_iter().enumerate() {
        observer.event(&Event::Ceilings { device: &device, n_done, n });
        if let Some(ceiling) = measure(wanted.device, wanted.n_threads, rate, effort, cancel) {
            n_disturbed += usize::from(ceiling.is_disturbed());
            found.rates.push(ceiling);
            found.measured_at = utc_now();
            found.conditions = conditions(wanted, found.conditions.take());
        }
        if cancel.is_cancelled() {
            return None;
        }
    }
    if n_disturbed > 0 {
        observer.event(&Event::CeilingsDisturbed { device: &device, n_disturbed, n });
    }
    Some(found)
}

/// What the GPU did, with what was read before.
fn conditions(wanted: &Wanted, before: Option<GpuConditions>) -> Option<GpuConditions> {
    let is_gpu = matches!(wanted.device.kind(), DeviceKind::Gpu | DeviceKind::Igpu);
    let now = is_gpu.then(|| {
        let gpu = Participant { name: wanted.device.name(), pci_bus_id: wanted.device.pci_bus_id() };
        monitor::read(Some(&[gpu]))
    });
    let mut all: Vec<GpuConditions> = before.into_iter().collect();
    merge_conditions(&mut all, now.iter().flatten());
    all.pop()
}

/// Of all that is known of a device, what a configuration needs.
fn only(wanted: &Wanted, mut all: Ceilings) -> Ceilings {
    all.rates.retain(|rate| wanted.rates.iter().any(|wanted| wanted.is(rate)));
    all
}

#[cfg(test)]
mod tests {
    use super::{wanted::Rate, *};
    use crate::{
        gguf::TensorType,
        record::{Ceiling, CeilingKind},
    };

    fn wanted(types: &[TensorType]) -> Wanted {
        let rate =
            |&data_type| Rate { kind: CeilingKind::Product, data_type, n_columns: None, matrix_bytes: None };
        Wanted {
            device: Backend::init().unwrap().device("CPU").unwrap(),
            n_threads: Some(1),
            rates: types.iter().map(rate).collect(),
        }
    }

    #[test]
    fn only_what_is_missing_is_measured_and_told() {
        let mut told = Vec::new();
        let mut listen = |event: &Event<'_>| {
            if let Event::Ceilings { device, n_done, n } = event {
                told.push(((*device).to_owned(), *n_done, *n));
            }
        };
        let (one, two) = (wanted(&[TensorType::F16]), wanted(&[TensorType::F16, TensorType::F32]));
        let (effort, cancel) = (Effort::tiny(), Cancel::new());
        let first = complete(&one, None, &effort, &mut listen, &cancel).unwrap();
        let second = complete(&two, Some(first.clone()), &effort, &mut listen, &cancel).unwrap();
        assert_eq!(complete(&two, Some(second.clone()), &effort, &mut listen, &cancel), Some(second.clone()));
        let cpu = || "CPU".to_owned();
        assert_eq!(told, [(cpu(), 0, 1), (cpu(), 0, 1)]);
        assert_eq!((&second.rates[0], second.rates.len()), (&first.rates[0], 2));
        assert_eq!((second.n_threads, second.conditions.is_none()), (Some(1), true));
        assert_eq!(only(&one, second).rates, first.rates);
    }

    #[test]
    fn what_was_disturbed_is_not_kept() {
        let rate = |lower: f64, disturbed| Ceiling {
            per_second: 10.0,
            upper: 10.0,
            lower,
            disturbed,
            ..Ceiling::default()
        };
        let (unknown, quiet) = (rate(9.0, None), rate(9.0, Some(false)));
        // Groups of which each waited as long agree with each other.
        let rates = vec![unknown.clone(), rate(4.0, None), rate(10.0, Some(true)), quiet.clone()];
        let found = Ceilings { rates, ..Ceilings::default() };
        assert_eq!(steady(&found).rates, [unknown, quiet]);
    }

    #[test]
    fn a_problem_of_the_cache_is_told_once() {
        let (mut told, is_told) = (Vec::new(), AtomicBool::new(false));
        let mut listen = |event: &Event<'_>| {
            if let Event::CeilingsCache { problem } = event {
                told.push((*problem).to_owned());
            }
        };
        tell(&[], &is_told, &mut listen);
        tell(&["read".into(), "write".into()], &is_told, &mut listen);
        tell(&["write".into()], &is_told, &mut listen);
        assert_eq!(told, ["read"]);
    }

    #[test]
    fn a_cancelled_measurement_leaves_nothing() {
        let cancel = Cancel::new();
        let stop = cancel.clone();
        let mut listen = |_: &Event<'_>| stop.cancel();
        assert_eq!(complete(&wanted(&[TensorType::F16]), None, &Effort::tiny(), &mut listen, &cancel), None);
    }
}
