//! The Rust side of the headers: made ahead for the pinned source, made while building for others.

use std::{fs, path::Path};

use crate::{env, headers, shim, tools};

/// Bindings made ahead, and the same for the C++ compiler; `scripts/bindings` renews both.
const PREPARED: &str = "src/prepared.rs";
const CHECKS: &str = "src/prepared.cpp";

/// Puts bindings of a source tree into `out_dir`, before anything takes minutes.
pub fn generate(manifest_dir: &Path, source: &Path, out_dir: &Path) -> Result<(), String> {
    for file in [headers::WRAPPER, PREPARED, CHECKS] {
        println!("cargo::rerun-if-changed={file}");
    }
    tools::check_compiler()?;
    match Misfit::of(manifest_dir, source)? {
        None => prepared(manifest_dir, out_dir),
        Some(why) => now::generate(manifest_dir, source, out_dir, &why),
    }
}

/// Uses the bindings made ahead.
pub fn prepared(manifest_dir: &Path, out_dir: &Path) -> Result<(), String> {
    let from = manifest_dir.join(PREPARED);
    fs::copy(&from, out_dir.join("bindings.rs"))
        .map(drop)
        .map_err(|e| format!("cannot copy {}: {e}", from.display()))
}

pub use now::prepare;

/// Why the bindings made ahead are not those of this build.
enum Misfit {
    /// Bits of the target's pointers.
    Target(String),
    /// This crate's own headers that changed.
    Own(Vec<String>),
    /// llama.cpp's headers that differ, and where.
    Others(Vec<String>, String),
    /// What the C++ compiler did not accept.
    Compiler(String),
}

impl Misfit {
    fn of(manifest_dir: &Path, source: &Path) -> Result<Option<Self>, String> {
        let bits = env::cargo("CARGO_CFG_TARGET_POINTER_WIDTH");
        if bits != "64" {
            return Ok(Some(Self::Target(bits)));
        }
        let path = manifest_dir.join(PREPARED);
        let bindings =
            fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let changed = headers::changed(&bindings, &headers::checksums(manifest_dir, source)?);
        let (own, others): (Vec<_>, Vec<_>) = changed.into_iter().partition(|name| headers::is_own(name));
        if !own.is_empty() {
            return Ok(Some(Self::Own(own)));
        }
        if !others.is_empty() {
            return Ok(Some(Self::Others(others, source.display().to_string())));
        }
        let checks = manifest_dir.join(CHECKS);
        Ok(compare(manifest_dir, source, &checks).err().map(Self::Compiler))
    }

    /// What is wrong.
    fn why(&self) -> String {
        match self {
            Self::Target(bits) => {
                format!("this target's pointers have {bits} bits, and the bindings in the package are for 64")
            }
            Self::Own(names) => format!("the bindings in the package are not those of {}", names.join(", ")),
            Self::Others(names, source) => format!(
                "the bindings in the package are those of the pinned llama.cpp, and {source} has other headers: {}",
                names.join(", ")
            ),
            Self::Compiler(error) => format!(
                "the C++ compiler does not accept {CHECKS}, which says what the bindings in the package expect of \
                 llama.cpp's headers; its messages are above ({error})"
            ),
        }
    }

    /// What helps if bindgen is not built in.
    #[cfg_attr(all(feature = "bindgen", not(test)), allow(dead_code))]
    fn remedy(&self) -> &'static str {
        match self {
            Self::Target(_) => BINDGEN,
            Self::Own(_) => "Run scripts/bindings, which makes them again",
            Self::Others(..) => {
                "Turn on the feature bindgen, which makes bindings of these headers while building and needs libclang \
                 (Debian, Ubuntu: libclang-dev), or build the pinned source: unset LLAMA_CPP_DIR, move \
                 vendor/llama.cpp away"
            }
            Self::Compiler(_) => {
                "A compiler that knows C++17 is needed. If it names a line of that file, turn on the feature bindgen, \
                 which makes bindings for this compiler while building and needs libclang (Debian, Ubuntu: \
                 libclang-dev)"
            }
        }
    }
}

const BINDGEN: &str = "Turn on the feature bindgen, which makes bindings for this target while building and needs libclang \
                       (Debian, Ubuntu: libclang-dev)";

/// Has the C++ compiler compare the headers with what bindings say.
fn compare(manifest_dir: &Path, source: &Path, checks: &Path) -> Result<(), String> {
    shim::reading_headers(manifest_dir, source)
        .cargo_metadata(false)
        .opt_level(0)
        // About functions that are mentioned although they are deprecated.
        .warnings(false)
        .flag("-w")
        .file(checks)
        .try_compile_intermediates()
        .map(drop)
        // Without the command, which stands above the compiler's messages.
        .map_err(|e| e.to_string().split(": \"").next().unwrap_or_default().to_owned())
}

/// Without bindgen. A test is built without the dependencies of build scripts.
#[cfg(not(all(feature = "bindgen", not(test))))]
mod now {
    use std::path::Path;

    use super::Misfit;

    pub fn generate(_: &Path, _: &Path, _: &Path, why: &Misfit) -> Result<(), String> {
        Err(format!("{}. {}", why.why(), why.remedy()))
    }

    pub fn prepare(_: &Path, _: &Path, _: &Path) -> Result<(), String> {
        Err("LLAMA_SYS_PREPARE is set: scripts/bindings sets it together with the feature bindgen".into())
    }
}

#[cfg(all(feature = "bindgen", not(test)))]
mod now {
    use std::{
        fs,
        panic::{self, AssertUnwindSafe},
        path::Path,
    };

    use super::{CHECKS, Misfit, PREPARED, compare};
    use crate::{headers, layout};

    /// The headers whose declarations are wanted; what they need from others comes along.
    const HEADERS: &str = r".*[/\\](llama|ggml|ggml-backend|ggml-cpu|gguf|shim)\.h";

    /// C's streams, which each C library declares in its own way.
    const FILE: &str =
        "/// A stream of C.\n#[repr(C)]\n#[derive(Debug)]\npub struct FILE {\n    _unused: [u8; 0],\n}";

    pub fn generate(manifest_dir: &Path, source: &Path, out_dir: &Path, why: &Misfit) -> Result<(), String> {
        let bindings = bindings(manifest_dir, source, true).map_err(|e| format!("{}. {e}", why.why()))?;
        write(&out_dir.join("bindings.rs"), &bindings)?;
        // Definitions that only one of the two compilers is given make them read different headers. What a later
        // llama.cpp declares may have no check yet.
        let Ok(text) = layout::checks(&bindings) else { return Ok(()) };
        let checks = out_dir.join("bindings.cpp");
        write(&checks, &text)?;
        compare(manifest_dir, source, &checks).map_err(|e| {
            format!(
                "the C++ compiler reads llama.cpp's headers otherwise than libclang does; its messages are above ({e}). \
                 Give both the same definitions: CXXFLAGS, BINDGEN_EXTRA_CLANG_ARGS"
            )
        })
    }

    /// Writes what the package contains: signatures alone, since comments are upstream's.
    pub fn prepare(manifest_dir: &Path, source: &Path, into: &Path) -> Result<(), String> {
        let bindings = bindings(manifest_dir, source, false)?;
        // Sizes are those of a 64-bit target, and documentation is built for others too.
        let sizes = "const _: () = {";
        let bindings = bindings.replace(sizes, &format!("#[cfg(target_pointer_width = \"64\")]\n{sizes}"));
        let checksums = headers::recorded(&headers::checksums(manifest_dir, source)?);
        let head = "// Made by scripts/bindings from these headers; the numbers are their checksums.\n";
        write(&into.join(name(PREPARED)), &format!("{head}{checksums}\n{bindings}"))?;
        write(&into.join(name(CHECKS)), &layout::checks(&bindings)?)
    }

    fn name(path: &str) -> &str {
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Without libclang, bindgen panics.
    fn bindings(manifest_dir: &Path, source: &Path, comments: bool) -> Result<String, String> {
        let builder = bindgen::builder()
            .header(manifest_dir.join(headers::WRAPPER).to_string_lossy())
            .clang_args(headers::folders(manifest_dir, source).map(|dir| format!("-I{}", dir.display())))
            .allowlist_file(HEADERS)
            .blocklist_type("FILE|_IO_.*|__off.*_t")
            .raw_line(FILE)
            .prepend_enum_name(false)
            .derive_default(true)
            .generate_comments(comments)
            // The same text whatever rustfmt is installed.
            .formatter(bindgen::Formatter::Prettyplease);
        let generated = panic::catch_unwind(AssertUnwindSafe(|| builder.generate())).map_err(|_| {
            "libclang is missing or too old, and bindgen needs it to read llama.cpp's headers: install it (Debian, \
             Ubuntu: libclang-dev; the repository's scripts/setup --libclang does), or point LIBCLANG_PATH at the folder \
             it is in"
        })?;
        let generated = generated.map_err(|e| {
            format!(
                "bindgen could not read llama.cpp's headers: {e}. If it is a header of C that was not found, install \
                 clang's own (Debian, Ubuntu: libclang-dev brings them)"
            )
        })?;
        Ok(generated.to_string())
    }

    fn write(path: &Path, text: &str) -> Result<(), String> {
        fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
    }
}
