//! `--list-devices`.

use llama_bench_rs::llama::Backend;

/// Prints the devices as llama-bench does.
pub fn list(backend: &Backend) {
    say!("Available devices:");
    for device in backend.devices() {
        let (free, total) = device.memory_bytes();
        let mib = 1024 * 1024;
        let (name, description, kind) = (device.name(), device.description(), device.kind().name());
        say!(
            "  {name}: {description} ({kind}, {}, {} MiB, {} MiB free)",
            device.backend_name(),
            total / mib,
            free / mib
        );
    }
}
