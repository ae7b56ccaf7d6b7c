//! What a lock file says about a second llama.cpp.

/// The last version of llama-cpp-sys-2 whose manifest does not say that it links llama.cpp.
const LAST_SILENT: u32 = 4;

/// Why a program with this lock file cannot be linked; `None` if cargo itself would refuse a second llama.cpp.
///
/// A requirement such as `llama-cpp-2 = "0.1"` makes cargo go back to these versions: they are the only ones that do not
/// collide with this package.
pub fn refusal(lock: &str) -> Option<String> {
    version(lock, env!("CARGO_PKG_NAME"))?;
    let sys = version(lock, "llama-cpp-sys-2")?;
    let patch = sys.strip_prefix("0.1.")?.parse::<u32>().ok()?;
    let named = match version(lock, "llama-cpp-2") {
        Some(safe) => format!("llama-cpp-2 {safe}"),
        None => format!("llama-cpp-sys-2 {sys}"),
    };
    (patch <= LAST_SILENT).then(|| {
        format!(
            "two llama.cpp in one program: Cargo.lock has {named}, an old version that cargo chose because newer ones \
             collide with the llama.cpp that llama-bench-rs builds by its feature `own`. To measure the llama.cpp of \
             llama-cpp-2, depend on llama-bench-llama-cpp-2 instead of llama-bench-rs"
        )
    })
}

/// The version of a package in a lock file.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let line = format!("name = \"{name}\"");
    let package = lock.split("[[package]]").find(|package| package.lines().any(|one| one == line))?;
    package.lines().find_map(|one| one.strip_prefix("version = \"")?.strip_suffix('"'))
}
