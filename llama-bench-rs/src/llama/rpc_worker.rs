//! Serving devices of this machine to llama.cpp on others.

use std::{
    convert::Infallible,
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    path::PathBuf,
    ptr,
};

use super::{
    Backend, ContextParams, Device, LlamaError, at_exit,
    checks::{c_path, c_string},
    log, rpc, sys,
};

/// Threads that ggml has room for.
const MAX_THREADS: u32 = 512;

/// A server of this machine's devices (`ggml_backend_rpc_start_server`) for llama.cpp on others, which add it by
/// [`Backend::add_rpc_server`].
///
/// The protocol has no authentication and no encryption, and the server trusts what it is sent: whoever reaches its port can
/// use, and probably take over, the process. Listen on loopback, or in a network of your own.
///
/// ```no_run
/// use llama_bench_rs::llama::{Backend, RpcWorker};
/// use std::net::Ipv4Addr;
///
/// let worker = RpcWorker::new(Ipv4Addr::LOCALHOST, 50052, Backend::init()?.devices()).prepare()?;
/// println!("serving on {}", worker.address());
/// worker.serve()?;
/// # Ok::<(), llama_bench_rs::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RpcWorker {
    address: SocketAddrV4,
    devices: Vec<Device>,
    n_threads: u32,
    cache: Option<PathBuf>,
}

impl RpcWorker {
    /// A server at an address and port of this machine, 0 for a free one, with as many threads for a CPU as this machine has
    /// cores and no cache.
    pub fn new(host: Ipv4Addr, port: u16, devices: Vec<Device>) -> Self {
        let n_threads = ContextParams::default().n_threads;
        Self { address: SocketAddrV4::new(host, port), devices, n_threads, cache: None }
    }

    /// Threads of a CPU that is served.
    #[must_use]
    pub fn n_threads(self, n_threads: u32) -> Self {
        Self { n_threads, ..self }
    }

    /// A folder for large tensors: a client that loads the same model again need not send them. It is
    /// made if it is not there, and never emptied.
    #[must_use]
    pub fn cache(self, folder: PathBuf) -> Self {
        Self { cache: Some(folder), ..self }
    }

    /// Checks everything that can be wrong before anything is served, and chooses the port if that was left open.
    ///
    /// # Errors
    /// llama.cpp was built without the feature `rpc`. There are no devices, or one that is on another machine itself. The port
    /// is in use or not allowed, or the address is not one of this machine. The cache folder cannot be written.
    pub fn prepare(mut self) -> Result<Self, LlamaError> {
        if !Backend::init()?.has_rpc() {
            return Err(LlamaError::NoRpc);
        }
        let refuse = |name, value: String, remedy: &str| {
            Err(LlamaError::Parameter { name, value, remedy: remedy.into() })
        };
        if self.devices.is_empty() {
            return refuse("devices", "none".into(), "serve one or more");
        }
        if let Some(device) = self.devices.iter().find(|device| device.server().is_some()) {
            return refuse("devices", device.name(), "it is on another machine: serve it there");
        }
        let is_twice = |(i, device): &(usize, &Device)| self.devices[..*i].contains(device);
        if let Some((_, device)) = self.devices.iter().enumerate().find(is_twice) {
            return refuse("devices", device.name(), "it is named twice: name it once");
        }
        if !(1..=MAX_THREADS).contains(&self.n_threads) {
            return refuse("n_threads", self.n_threads.to_string(), "use 1 to 512");
        }
        let listener = TcpListener::bind(self.address).map_err(|source| LlamaError::RpcServer {
            server: self.address.to_string(),
            problem: format!(
                "it cannot listen there ({source}): choose another port, or an address of this machine"
            ),
        })?;
        if let Ok(std::net::SocketAddr::V4(address)) = listener.local_addr() {
            self.address = address;
        }
        if let Some(folder) = &self.cache {
            let tried = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
            if let Err(error) = tried {
                let remedy = format!("it cannot be written ({error}): name another folder");
                return refuse("the cache folder", folder.display().to_string(), &remedy);
            }
        }
        Ok(self)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// The version of the protocol, which clients must speak.
    pub fn version(&self) -> String {
        rpc::version().to_string()
    }

    /// Serves until the process ends, one client at a time.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare); a client made llama.cpp fail, after which the devices are not to be used any more.
    pub fn serve(self) -> Result<Infallible, LlamaError> {
        let ready = self.prepare()?;
        let address = ready.address.to_string();
        let endpoint = c_string("address", address.clone())?;
        let cache = ready.cache.as_deref().map(c_path).transpose()?;
        let mut devices: Vec<_> = ready.devices.iter().map(Device::as_raw).collect();
        let _endless = at_exit::endless();
        let ((), log) = log::capture(|| {
            // SAFETY: strings that end in NUL and registered devices, all of which outlive the call; a null pointer for no
            // cache. The registry lives as long as the call: the end of the process goes no further than to it.
            unsafe {
                sys::llama_sys_rpc_serve(
                    endpoint.as_ptr(),
                    cache.as_ref().map_or(ptr::null(), |folder| folder.as_ptr()),
                    ready.n_threads as usize,
                    devices.len(),
                    devices.as_mut_ptr(),
                );
            }
        });
        Err(LlamaError::RpcServer { server: address, problem: format!("it ended: {}", rpc::why(&log)) })
    }
}
