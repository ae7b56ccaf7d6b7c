//! llama.cpp as a whole: initialised once, kept until the process ends.

use std::{
    ffi::{CStr, c_void},
    mem,
    sync::OnceLock,
};

use super::{
    LlamaError, Numa,
    at_exit::{self, Calls},
    device::{Device, DeviceKind, text},
    hooks, log, sys,
};

/// llama.cpp, initialised: lists devices. Cheap to clone, usable from any thread.
///
/// [`Model::load`](super::Model::load) initialises llama.cpp by itself; a program needs this type only for devices and
/// NUMA. Nothing has to be freed: ggml keeps its registry of devices until the process ends.
///
/// ```
/// use llama_bench_rs::llama::Backend;
///
/// for device in Backend::init()?.devices() {
///     println!("{}: {}", device.name(), device.description());
/// }
/// # Ok::<(), llama_bench_rs::llama::LlamaError>(())
/// ```
///
/// `main` may return (or call [`exit`](std::process::exit)) while other threads work: the end of the process aborts
/// decodes and loads, waits for calls into llama.cpp that are in flight, and blocks new ones.
#[derive(Clone, Debug)]
pub struct Backend(());

/// The result of the first initialisation of the process by this crate.
struct Ready {
    has_cpu: bool,
    /// `None` if other code chose before.
    numa: Option<Numa>,
}

static READY: OnceLock<Ready> = OnceLock::new();

impl Backend {
    /// Initialises llama.cpp (`llama_backend_init`). Repeated calls are free. Other code of the program that uses the same
    /// llama.cpp may initialise it too, before or after, and end its own use (`llama_backend_free`) at any time.
    ///
    /// With the feature `dynamic-backends` it loads the backends beside the executable, else those in the folder
    /// `GGML_BACKEND_PATH` (which may also name one more library), else those that the build left. It loads none if other
    /// code has loaded a CPU backend: those that the program runs on are the ones to use.
    ///
    /// # Errors
    /// - No CPU backend was found. With the feature `dynamic-backends` its library must be beside the executable.
    /// - The ggml that runs is not llama.cpp's but that of another crate, such as `whisper-rs`.
    #[doc(alias = "llama_backend_init")]
    pub fn init() -> Result<Self, LlamaError> {
        Self::init_once(Numa::Disabled)
    }

    /// Initialises llama.cpp as [`init`](Self::init) does, with threads placed for a machine with several NUMA nodes.
    /// It can be chosen once per process, before anything else uses llama.cpp; `init` then accepts any choice.
    ///
    /// # Errors
    /// As `init`; the process has initialised llama.cpp with another choice.
    #[doc(alias = "llama_numa_init")]
    pub fn init_with(numa: Numa) -> Result<Self, LlamaError> {
        let backend = Self::init_once(numa)?;
        let active = backend.numa();
        if active == Some(numa) { Ok(backend) } else { Err(LlamaError::NumaChosen { asked: numa, active }) }
    }

    /// Runs code that calls llama.cpp by another library. The end of the process waits for it as for this crate's own calls,
    /// and blocks it from then on.
    #[doc(hidden)]
    pub fn hold_during<R>(&self, calls: impl FnOnce() -> R) -> R {
        static CALLS: Calls = Calls::new();
        let _inside = at_exit::enter();
        let result = calls();
        CALLS.count();
        result
    }

    /// How threads are placed on a machine with several NUMA nodes; `None` if other code of this program chose it, since
    /// llama.cpp does not say what was chosen.
    pub fn numa(&self) -> Option<Numa> {
        READY.get().and_then(|ready| ready.numa)
    }

    fn init_once(numa: Numa) -> Result<Self, LlamaError> {
        if READY.get().is_none() {
            is_ours(running_ggml(), sys::build_info::GGML_VERSION)?;
        }
        let mut first_log = None;
        let ready = READY.get_or_init(|| {
            at_exit::watch();
            hooks::install();
            // A subscriber may ask for a backend itself, which must not wait for this one.
            let ((has_cpu, is_placed), log) = log::capture_quietly(|| {
                if loads_backends(has_cpu()) {
                    // SAFETY: no preconditions; called once per process, guarded by the OnceLock.
                    unsafe { sys::ggml_backend_load_all() };
                    load_from_folders();
                }
                // SAFETY: the first may be called again, whoever did before; no other thread of this crate uses a device yet.
                unsafe {
                    sys::llama_backend_init();
                    sys::llama_sys_prepare_devices();
                }
                let (has_cpu, is_placed) = (has_cpu(), is_numa());
                // The strategy is the CPU backend's; without one llama.cpp would abort.
                if has_cpu && !is_placed && numa != Numa::Disabled {
                    // SAFETY: a CPU backend is registered.
                    unsafe { sys::llama_numa_init(numa.as_raw()) };
                }
                (has_cpu, is_placed)
            });
            first_log = Some(log);
            Ready { has_cpu, numa: (!is_placed).then_some(numa) }
        });
        if let Some(log) = first_log {
            log.tell();
        }
        if ready.has_cpu { Ok(Self(())) } else { Err(LlamaError::NoCpuBackend) }
    }

    /// Every device that llama.cpp sees, in its order.
    #[doc(alias = "ggml_backend_dev_count")]
    pub fn devices(&self) -> Vec<Device> {
        let _inside = at_exit::enter();
        // SAFETY: the registry is initialised, lives as long as `_inside`, and only grows during `init`; indices are
        // below the count.
        unsafe {
            (0..sys::ggml_backend_dev_count())
                .filter_map(|i| Device::new(sys::ggml_backend_dev_get(i)))
                .collect()
        }
    }

    /// The device of this name, such as `CUDA0`.
    ///
    /// # Errors
    /// No device has this name; the error lists the devices.
    #[doc(alias = "ggml_backend_dev_by_name")]
    pub fn device(&self, name: &str) -> Result<Device, LlamaError> {
        let devices = self.devices();
        let known = devices.iter().map(Device::name).collect::<Vec<_>>().join(", ");
        devices
            .into_iter()
            .find(|device| device.name() == name)
            .ok_or_else(|| LlamaError::UnknownDevice { name: name.into(), known })
    }

    /// Names of the registered backends as llama-bench prints them: all but the CPU, comma-separated, or `CPU`.
    pub fn names(&self) -> String {
        let _inside = at_exit::enter();
        // SAFETY: as in `devices`; names live as long as the registry.
        let names = unsafe {
            (0..sys::ggml_backend_reg_count())
                .map(|i| sys::ggml_backend_reg_get(i))
                .map(|reg| (text(sys::ggml_backend_reg_name(reg)), sys::ggml_backend_reg_dev_count(reg)))
                .collect::<Vec<_>>()
        };
        let names: Vec<String> = names
            .into_iter()
            .filter(|(name, n_devices)| name != "CPU" && (!name.starts_with("RPC") || *n_devices > 0))
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() { "CPU".into() } else { names.join(",") }
    }

    /// CPU and accelerator descriptions as llama-bench prints them.
    pub fn cpu_info(&self) -> String {
        self.info(|kind| matches!(kind, DeviceKind::Cpu | DeviceKind::Accel))
    }

    /// GPU descriptions as llama-bench prints them; empty without one.
    pub fn gpu_info(&self) -> String {
        self.info(|kind| matches!(kind, DeviceKind::Gpu | DeviceKind::Igpu))
    }

    fn info(&self, wanted: impl Fn(DeviceKind) -> bool) -> String {
        let devices = self.devices();
        let names = devices.iter().filter(|d| wanted(d.kind())).map(Device::description);
        names.collect::<Vec<_>>().join(", ")
    }
}

/// Version of the ggml that the linker chose, or the loader.
fn running_ggml() -> &'static str {
    // SAFETY: ggml returns a string literal, which ends in NUL and lives as long as the process.
    unsafe { CStr::from_ptr(sys::ggml_version()) }.to_str().unwrap_or_default()
}

/// Refuses a ggml of another version: its operations and structures differ. Two of one version cannot be distinguished.
fn is_ours(running: &str, compiled_for: Option<&'static str>) -> Result<(), LlamaError> {
    match compiled_for {
        Some(expected) if running != expected => {
            Err(LlamaError::OtherGgml { found: running.into(), expected })
        }
        _ => Ok(()),
    }
}

/// A CPU backend is registered: without one, no model can run.
fn has_cpu() -> bool {
    // SAFETY: the registry may be asked at any time.
    unsafe { !sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU).is_null() }
}

/// Whether to look for backends. If they are libraries and other code has loaded its own, another copy would be registered
/// beside them.
fn loads_backends(has_cpu: bool) -> bool {
    let may_be_loaded = cfg!(feature = "dynamic-backends") || sys::build_info::SHARED;
    !(may_be_loaded && has_cpu)
}

/// Threads are placed for several NUMA nodes already.
fn is_numa() -> bool {
    type IsNuma = unsafe extern "C" fn() -> bool;
    // SAFETY: the registry may be asked at any time, for a function by the name that its CPU backend has for it; it is of
    // this type and reads a number.
    unsafe {
        let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU);
        if device.is_null() {
            return false;
        }
        let reg = sys::ggml_backend_dev_backend_reg(device);
        let function = sys::ggml_backend_reg_get_proc_address(reg, c"ggml_backend_cpu_is_numa".as_ptr());
        !function.is_null() && mem::transmute::<*mut c_void, IsNuma>(function)()
    }
}

/// Looks where ggml does not: ggml treats `GGML_BACKEND_PATH` as a library and does not know cargo's folders.
fn load_from_folders() {
    let asked = std::env::var("GGML_BACKEND_PATH").unwrap_or_default();
    for dir in [asked.as_str(), sys::build_info::BACKEND_DIR] {
        if has_cpu() || !std::path::Path::new(dir).is_dir() {
            continue;
        }
        if let Ok(dir) = std::ffi::CString::new(dir) {
            // SAFETY: a NUL-terminated path; called under the OnceLock of `init`.
            unsafe { sys::ggml_backend_load_all_from_path(dir.as_ptr()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ggml_that_llama_cpp_was_not_compiled_for_is_refused() {
        let error = is_ours("0.9.5", Some("0.26.0")).unwrap_err();
        let LlamaError::OtherGgml { found, expected } = &error else { panic!("{error}") };
        assert_eq!((found.as_str(), *expected), ("0.9.5", "0.26.0"));
        let text = error.to_string();
        assert!(
            text.contains("0.9.5") && text.contains("0.26.0") && text.contains("docs/building.md"),
            "{text}"
        );
        // A source that does not state its version is not compared.
        assert!(is_ours("0.9.5", None).is_ok());
    }

    #[test]
    fn the_ggml_of_this_program_is_the_one_of_its_source() {
        let compiled_for = sys::build_info::GGML_VERSION;
        assert!(compiled_for.is_some_and(|version| version.split('.').count() == 3), "{compiled_for:?}");
        assert!(is_ours(running_ggml(), compiled_for).is_ok(), "{} {compiled_for:?}", running_ggml());
    }
}
