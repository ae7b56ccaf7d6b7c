//! Serves devices of this machine to llama.cpp on others: `cargo run --release --example worker`.

#[path = "support/failed.rs"]
mod failed;
#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use llama_bench_rs::{
    cli::{self, Devices},
    llama::{self, Backend, Device, DeviceKind, LlamaError, RpcWorker},
    units::words,
};

use failed::{Failed, SOME_FAILED, bad_usage};

/// Serves devices of this machine to llama.cpp on others by ggml's RPC backend. There, `sweep --rpc HOST:PORT` or llama-bench's
/// -rpc uses them. The llama.cpp of both sides must speak the same version of the protocol; best is the same build.
///
/// THE PROTOCOL HAS NO AUTHENTICATION AND NO ENCRYPTION, and the server trusts what it is sent: whoever reaches the port can
/// read and write this process's memory. It listens on this machine alone unless --host says otherwise; open it only in a
/// network of your own.
///
/// One client at a time is served, the next one after it. Ctrl-C ends it.
///
/// Exit status: 1 it could not serve, 2 bad usage or a port that is in use.
#[derive(Debug, Parser)]
#[command(name = "worker", disable_version_flag = true)]
struct Args {
    /// Address of this machine to listen on
    ///
    /// 0.0.0.0 for all of them.
    #[arg(short = 'H', long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = address)]
    host: Ipv4Addr,
    /// Port to listen on, 0 for a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 50052)]
    port: u16,
    /// Devices to serve, joined by / or a comma
    ///
    /// auto for the GPUs, or the CPU without one; none for the CPU alone. Clients number them in this order. --list-devices
    /// names those there are.
    #[arg(
        short,
        long,
        visible_alias = "dev",
        value_name = "DEV/DEV",
        default_value = "auto",
        value_delimiter = ','
    )]
    device: Vec<Devices>,
    /// Threads of a CPU that is served [default: the cores of this machine]
    #[arg(short, long, value_name = "N", value_parser = cli::thread_count)]
    threads: Option<u32>,
    /// Keep large tensors in this folder
    ///
    /// A client that loads the same model again need not send them. The folder grows with every model.
    #[arg(short, long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// List the devices
    #[arg(long)]
    list_devices: bool,
    /// Print what llama.cpp logs on standard error
    #[arg(short, long)]
    verbose: bool,
}

fn address(text: &str) -> Result<Ipv4Addr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => {
            Err(format!("{text:?}: llama.cpp's RPC uses IPv4 alone: write 127.0.0.1 or 0.0.0.0"))
        }
        Err(_) => Err(format!(
            "{text:?} is not an IPv4 address: write one of this machine, such as 192.168.1.20, or 0.0.0.0 for all"
        )),
    }
}

fn main() -> ExitCode {
    let args: Args = cli::parse();
    if args.verbose {
        // Debug too: the RPC backend says nothing more unless GGML_RPC_DEBUG asks for every message.
        let all = tracing_subscriber::filter::LevelFilter::DEBUG;
        tracing_subscriber::fmt()
            .with_writer(io::stderr)
            .with_max_level(all)
            .log_internal_errors(false)
            .init();
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { message, status }) => {
            complain!("worker: {message}");
            print::exit_code(status)
        }
    }
}

fn run(args: &Args) -> Result<(), Failed> {
    let backend = Backend::init().map_err(llama_bench_rs::Error::from)?;
    if args.list_devices {
        backend.devices().iter().for_each(|device| say!("{}", words_of(device)));
        return Ok(());
    }
    let devices = devices(&backend, &args.device).map_err(bad_usage)?;
    let mut worker = RpcWorker::new(args.host, args.port, devices.clone());
    if let Some(n_threads) = args.threads {
        worker = worker.n_threads(n_threads);
    }
    if let Some(folder) = &args.cache {
        worker = worker.cache(folder.clone());
    }
    let worker = worker.prepare().map_err(bad_usage)?;
    tell(args, &worker, &devices);
    match worker.serve() {
        Ok(never) => match never {},
        Err(error) => Err(Failed { message: error.to_string(), status: SOME_FAILED }),
    }
}

/// The devices that are asked for, in this order.
fn devices(backend: &Backend, asked: &[Devices]) -> Result<Vec<Device>, LlamaError> {
    let of = |wanted: fn(DeviceKind) -> bool| -> Vec<Device> {
        backend.devices().into_iter().filter(|device| wanted(device.kind())).collect()
    };
    let cpu = || of(|kind| kind == DeviceKind::Cpu);
    let mut devices = Vec::new();
    for asked in asked {
        let more = match asked {
            Devices::Auto => {
                let gpus = of(|kind| matches!(kind, DeviceKind::Gpu | DeviceKind::Igpu));
                if gpus.is_empty() { cpu() } else { gpus }
            }
            Devices::None => cpu(),
            Devices::Named(names) => {
                names.iter().map(|name| backend.device(name)).collect::<Result<_, _>>()?
            }
        };
        devices.extend(more);
    }
    Ok(devices)
}

/// What is served, and what that means.
fn tell(args: &Args, worker: &RpcWorker, devices: &[Device]) {
    let build = llama::build_info();
    say!("serving on {}", worker.address());
    say!("protocol {}, llama.cpp {} ({})", worker.version(), build.version, build.commit);
    devices.iter().for_each(|device| say!("device {}", words_of(device)));
    match &args.cache {
        Some(folder) => say!("tensors are kept in {}", folder.display()),
        None => say!("tensors are not kept (--cache FOLDER)"),
    }
    // What follows are llama.cpp's own words, which C writes.
    let _ = io::stdout().flush();
    if !args.host.is_loopback() {
        complain!(
            "worker: WARNING: {} can be reached from other machines, and the protocol has neither authentication nor \
             encryption: whoever reaches the port can use these devices, read what is sent, and probably run code as this \
             user. Serve in a network of your own, behind a firewall, or on 127.0.0.1 through a tunnel (ssh -L).",
            worker.address()
        );
    }
}

fn words_of(device: &Device) -> String {
    let (free, total) = device.memory_bytes();
    let (name, description, kind) = (device.name(), device.description(), device.kind().name());
    format!("{name}: {description} ({kind}, {} of memory, {} free)", words::bytes(total), words::bytes(free))
}
