//! Devices of other machines, by ggml's RPC backend.

use std::{
    ffi::CString,
    net::{Ipv4Addr, SocketAddrV4},
    ptr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    Backend, Device, DeviceKind, LlamaError, at_exit,
    context::with_exception,
    log,
    rpc_greeting::{self, Endpoint, Version},
    sys,
};

/// How long a server has for its greeting if a program does not say.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Name of the backend whose devices are on other machines.
const BACKEND: &str = "RPC";

/// A server whose devices are registered, which they stay until the process ends.
struct Known {
    endpoint: Endpoint,
    /// Where it is, whatever name it was given by.
    address: SocketAddrV4,
    devices: Vec<Device>,
    /// Free and total bytes of each device when it was registered.
    #[cfg(feature = "measure")]
    memory: Vec<(u64, u64)>,
    /// How long it had for its greeting.
    timeout: Duration,
}

static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

impl Backend {
    /// Registers the devices of a server of llama.cpp's RPC backend on another machine (`HOST:PORT`; `examples/worker` or
    /// llama.cpp's `rpc-server`), and returns them. They are devices like any other, called `RPC0`, `RPC1` and so on over all
    /// servers, and used for every model that does not name its devices. A server that is known already is not asked again.
    ///
    /// The server has five seconds for its greeting: [`add_rpc_server_within`](Self::add_rpc_server_within) takes another
    /// limit. Afterwards llama.cpp waits for it without a limit. **A server that is lost later ends this process**:
    /// llama.cpp aborts on a thread of its own. Programs that must survive that use the server in a process of its own.
    ///
    /// The protocol has no authentication and no encryption: use it in networks that you trust.
    ///
    /// # Errors
    /// This llama.cpp was built without the feature `rpc`. The address cannot be one, nothing listens there, it is not an RPC
    /// server or one of another version, it does not answer in time, it serves no devices or more than llama.cpp has room
    /// for, or it is a server that was added under another name.
    #[doc(alias = "ggml_backend_rpc_add_server")]
    pub fn add_rpc_server(&self, server: &str) -> Result<Vec<Device>, LlamaError> {
        self.add_rpc_server_within(server, TIMEOUT)
    }

    /// The same with another limit of time for finding the server and its greeting.
    ///
    /// # Errors
    /// As [`add_rpc_server`](Self::add_rpc_server).
    pub fn add_rpc_server_within(&self, server: &str, timeout: Duration) -> Result<Vec<Device>, LlamaError> {
        let refuse = |problem| LlamaError::RpcServer { server: server.trim().into(), problem };
        if !self.has_rpc() {
            return Err(LlamaError::NoRpc);
        }
        let endpoint: Endpoint = server.parse().map_err(refuse)?;
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter().find(|known| known.endpoint == endpoint) {
            return Ok(known.devices.clone());
        }
        let address = rpc_greeting::greet(&endpoint, version(), timeout).map_err(refuse)?;
        let address = SocketAddrV4::new(of_this_host(*address.ip()), address.port());
        if let Some(other) = known.iter().find(|known| known.address == address) {
            // It serves one client at a time: the second connection would wait for the end of the first.
            return Err(refuse(format!(
                "it is the server that was added as {}: name it once",
                other.endpoint
            )));
        }
        let devices = self.register(&endpoint).map_err(refuse)?;
        known.push(Known {
            #[cfg(feature = "measure")]
            memory: devices.iter().map(Device::memory_bytes).collect(),
            devices: devices.clone(),
            endpoint,
            address,
            timeout,
        });
        Ok(devices)
    }

    /// The servers whose devices are registered, in order, with the time that each had for its greeting: what another process
    /// must be given to have the same devices.
    #[doc(hidden)]
    pub fn rpc_servers(&self) -> Vec<(String, Duration)> {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|known| (known.endpoint.to_string(), known.timeout)).collect()
    }

    /// Asks a server for its greeting in a connection of its own, which is closed again.
    ///
    /// # Errors
    /// What is wrong with the server now, and what to do.
    #[cfg(feature = "measure")]
    pub(crate) fn greet_rpc_server(&self, server: &str, timeout: Duration) -> Result<(), String> {
        rpc_greeting::greet(&server.parse()?, version(), timeout).map(drop)
    }

    /// Whether this llama.cpp can use devices of other machines: it was built with the feature `rpc`.
    #[doc(hidden)]
    pub fn has_rpc(&self) -> bool {
        // SAFETY: the registry is initialised, and asked for functions by name.
        unsafe { sys::llama_sys_has_rpc() }
    }

    fn register(&self, endpoint: &Endpoint) -> Result<Vec<Device>, String> {
        let _inside = at_exit::enter();
        let is_gpu = |device: &Device| matches!(device.kind(), DeviceKind::Gpu | DeviceKind::Igpu);
        let n_gpus = self.devices().iter().filter(|device| is_gpu(device)).count();
        // SAFETY: no preconditions.
        let max_devices = unsafe { sys::llama_max_devices() };
        let mut raw = vec![ptr::null_mut(); max_devices.saturating_sub(n_gpus)];
        let text = CString::new(endpoint.to_string()).unwrap_or_default();
        // SAFETY: a NUL-terminated string that llama.cpp copies, and room for as many devices as it is told; the registry
        // lives as long as `_inside`. An exception, which a failed connection is, stays in the shim.
        let (n, log) = log::capture(|| unsafe {
            sys::llama_sys_rpc_add_server(text.as_ptr(), raw.as_mut_ptr(), raw.len() as i32)
        });
        match usize::try_from(n) {
            Err(_) => Err(format!("llama.cpp could not connect: {}", with_exception(log.complaints()))),
            Ok(0) => Err("it serves no devices: start it with some".into()),
            Ok(n) if n > raw.len() => Err(format!(
                "it serves {n} devices, and llama.cpp has room for {max_devices} in all, of which {n_gpus} are taken: \
                 serve or name fewer"
            )),
            Ok(n) => Ok(raw[..n].iter().filter_map(|&raw| Device::new(raw)).collect()),
        }
    }
}

impl Device {
    /// The server that it is on (`HOST:PORT`); `None` for a device of this machine.
    #[doc(hidden)]
    pub fn server(&self) -> Option<String> {
        // ggml describes them by nothing else.
        (self.backend_name() == BACKEND).then(|| self.description())
    }

    /// Free and total memory in bytes: of a device on another machine when it was registered, else now. Another process may
    /// use that machine meanwhile, and asking would wait for it.
    #[cfg(feature = "measure")]
    pub(crate) fn memory_before_use(&self) -> (u64, u64) {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |known: &Known| {
            known
                .devices
                .iter()
                .zip(&known.memory)
                .find(|(device, _)| *device == self)
                .map(|(_, memory)| *memory)
        };
        known.iter().find_map(find).unwrap_or_else(|| self.memory_bytes())
    }
}

/// The version of the protocol that this llama.cpp speaks.
pub(super) fn version() -> Version {
    // SAFETY: no preconditions.
    let [_, major, minor, patch] = unsafe { sys::llama_sys_rpc_version() }.to_be_bytes();
    Version { major, minor, patch }
}

/// One address for all that lead to this machine itself.
fn of_this_host(address: Ipv4Addr) -> Ipv4Addr {
    if address.is_loopback() || address.is_unspecified() { Ipv4Addr::LOCALHOST } else { address }
}

/// What ended a call of the RPC backend, for people.
pub(super) fn why(log: &log::Log) -> String {
    let log = with_exception(log.complaints());
    if log.is_empty() { "llama.cpp does not say why".into() } else { log }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_backend_the_feature_is_named_and_with_it_the_address_is_read() {
        let backend = Backend::init().unwrap();
        let error = backend.add_rpc_server("not an address").unwrap_err();
        let is_expected = match &error {
            LlamaError::NoRpc => !backend.has_rpc(),
            LlamaError::RpcServer { server, .. } => backend.has_rpc() && server == "not an address",
            _ => false,
        };
        assert!(is_expected, "{error}");
        assert!(LlamaError::NoRpc.to_string().contains("the feature `rpc`"));
        assert_eq!(backend.rpc_servers(), []);
    }

    #[test]
    fn addresses_of_this_machine_are_one() {
        for own in ["127.0.0.1", "127.8.0.1", "0.0.0.0"] {
            assert_eq!(of_this_host(own.parse().unwrap()), Ipv4Addr::LOCALHOST);
        }
        assert_eq!(of_this_host("10.0.0.1".parse().unwrap()).to_string(), "10.0.0.1");
    }
}
