use std::{
    io,
    path::{Path, PathBuf},
};

use crate::units::text::{cited, excerpt};

/// A GGUF file that cannot be read or written, or a shape that is impossible.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, such as "open".
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The path is a directory, a pipe or a device.
    #[error("{} is not a regular file: give the path of a GGUF file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is not a valid GGUF file; llama.cpp would refuse it, or crash.
    #[error("{} is not a valid GGUF file, at byte {offset}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the offending value begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        problem: Malformed,
    },
    /// The file ends within its header: more of it has to be fetched.
    #[error(
        "{} ends within its header, in {what}: it has {file_bytes} bytes and at least {missing_bytes} more are needed; \
         fetch more of it",
        path.display()
    )]
    HeaderCutOff {
        /// The file.
        path: PathBuf,
        /// The value that is incomplete.
        what: String,
        /// The size of the file in bytes.
        file_bytes: u64,
        /// How many more bytes the header takes at least.
        missing_bytes: u64,
    },
    /// Not all parts of a split model are there.
    #[error(
        "{} is part {part} of {n_parts} and {holds}; put {}, or the first megabytes of each, beside it",
        path.display(), names(missing)
    )]
    PartsMissing {
        /// The part that was named.
        path: PathBuf,
        /// Which part it is, from 1.
        part: u64,
        /// Number of parts.
        n_parts: u64,
        /// The files that are missing.
        missing: Vec<PathBuf>,
        /// What the parts that are there hold, and what the others would.
        holds: String,
    },
    /// No preset has this name.
    #[error("no model shape is called {}; there are: {known}", cited(name))]
    UnknownShape {
        /// The name asked for.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// No file type has this name.
    #[error("no file type is called {}; there are: {known}", cited(name))]
    UnknownFileType {
        /// The name asked for.
        name: String,
        /// All names, separated by commas.
        known: String,
    },
    /// The hyperparameters contradict each other or exceed what llama.cpp can hold.
    #[error("the shape {} is impossible: {reason}", of_file(name, file.as_deref()))]
    ImpossibleShape {
        /// The shape's name.
        name: String,
        /// The file that it was read from, if it was.
        file: Option<PathBuf>,
        /// The values in conflict, and what would do.
        reason: String,
    },
    /// The file that a model was to be shaped as has no header that can be used.
    #[error("{problem}")]
    NoShape {
        /// What was wrong when it was read, with the file.
        problem: String,
    },
    /// The disk is full; no file was left behind.
    #[error(
        "no room for {} ({needed} bytes): the disk was full after {written} bytes; \
         free some space or choose another folder, for the cache by LLAMA_BENCH_CACHE (nothing was left behind)",
        path.display()
    )]
    DiskFull {
        /// The file that was to be written.
        path: PathBuf,
        /// Its size in bytes.
        needed: u64,
        /// How many bytes went in before the disk was full.
        written: u64,
    },
    /// The application stopped the writing.
    #[error("writing {} was stopped (nothing was left behind)", path.display())]
    Stopped {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// A model could not be kept in the cache folder.
    #[error(
        "cannot {doing} {}: {source}; set LLAMA_BENCH_CACHE to a folder that can be written to",
        path.display()
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The system names no cache folder for this user.
    #[error("this user has no cache folder: set LLAMA_BENCH_CACHE to a folder, or give a path to write to")]
    NoCacheFolder,
}

crate::error::debug_like_display!(GgufError);

/// What is wrong in a malformed GGUF file.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The file ends in the middle of a value.
    #[error("{what} needs {needed} bytes but only {left} are left; the file is cut off")]
    CutOff {
        /// The value that is incomplete.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes left in the file.
        left: u64,
    },
    /// The first four bytes are not `GGUF`.
    #[error("it begins with \"{found}\" instead of \"GGUF\"; {}", magic_hint(found))]
    Magic {
        /// The first bytes, made printable.
        found: String,
    },
    /// A version that this reader and llama.cpp do not know.
    #[error("version {found} is not supported (2 and 3 are); {}", version_hint(*found))]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// A count, length or size that the file cannot contain.
    #[error(
        "{what} is {found}, but at most {limit} is possible here; the file is cut off or damaged: fetch it again"
    )]
    TooLarge {
        /// Which count or length.
        what: String,
        /// Its value in the file.
        found: u64,
        /// The greatest value possible.
        limit: u64,
    },
    /// A value outside the set that the format allows.
    #[error("{what} is {found}; {allowed}")]
    Invalid {
        /// Which value.
        what: String,
        /// What the file says.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A metadata key or tensor name that occurs twice.
    #[error("{what} {} occurs twice", cited(name))]
    Duplicate {
        /// "metadata key" or "tensor".
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A tensor that does not begin where the one before it ends.
    #[error("tensor {} has data offset {found}, but the tensors before it end at {expected}", cited(name))]
    Offset {
        /// The tensor.
        name: String,
        /// Its offset in the file, relative to the data section.
        found: u64,
        /// The offset it must have.
        expected: u64,
    },
    /// A tensor that reaches beyond the end of the file.
    #[error(
        "tensor {} ({size_bytes} bytes from byte {begin}) reaches beyond the end of the file at byte {file_bytes}; \
         the file is cut off and lacks {missing_bytes} bytes: fetch the rest, or measure a synthetic model of its shape \
         (--like, Shape::like_file), which takes the header alone",
        cited(name)
    )]
    BeyondEnd {
        /// The tensor.
        name: String,
        /// Where its data begins, in bytes from the start of the file.
        begin: u64,
        /// Its size in bytes.
        size_bytes: u64,
        /// The size of the file in bytes.
        file_bytes: u64,
        /// How many bytes of tensors are not in the file.
        missing_bytes: u64,
    },
}

crate::error::debug_like_display!(Malformed);

/// A shape's name with its file.
fn of_file(name: &str, file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("{} of {}", excerpt(name), file.display()),
        None => excerpt(name),
    }
}

/// The names of files, without their folder; of many the first and the last.
fn names(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    match paths {
        [first, .., last] if paths.len() > 4 => format!("{} to {}", name(first), name(last)),
        paths => paths.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

/// What usually begins like that, and what to do.
fn magic_hint(found: &str) -> &'static str {
    match found {
        "<htm" | "<HTM" | "<!do" | "<!DO" | "<?xm" => "this is a web page: fetch the file itself",
        "vers" => "this may be a pointer of Git LFS: fetch the file itself (git lfs pull)",
        "PK\\x03\\x04" => "this is an archive, as PyTorch writes: convert the model to GGUF",
        _ => "name a model in the GGUF format",
    }
}

fn version_hint(found: u32) -> &'static str {
    match found {
        1 => "convert the model again with a current llama.cpp",
        v if v & 0xffff == 0 => "the file seems to be big-endian: convert it for this machine",
        _ => "the file may be newer than this program",
    }
}
