use std::path::PathBuf;

use crate::units::text::{cited, excerpt};

/// An error of llama.cpp, or an argument rejected because llama.cpp would have aborted the process.
///
/// Messages name the value and the remedy, and end with the last warnings and errors that llama.cpp logged in the failing
/// call.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LlamaError {
    /// No CPU backend could be loaded.
    #[error(
        "llama.cpp has no CPU backend: with the feature dynamic-backends, put libggml-cpu*.so beside the executable \
         or point GGML_BACKEND_PATH at it"
    )]
    NoCpuBackend,
    /// Another crate of the program links a ggml of its own, and the linker took that one for llama.cpp too.
    #[error(
        "this program runs ggml {found}, but its llama.cpp was compiled for ggml {expected}: another crate, such as \
         whisper-rs, links a ggml of its own; measure in a program without that crate, or have it use llama.cpp's ggml \
         (docs/building.md, \"With other crates that contain ggml\")"
    )]
    OtherGgml {
        /// Version of the ggml that runs.
        found: String,
        /// Version of the ggml that llama.cpp was compiled for.
        expected: &'static str,
    },
    /// The placement of threads on NUMA nodes was chosen differently before, and cannot change within a process.
    #[error(
        "NUMA placement {} cannot be chosen any more: this process has initialised llama.cpp with {}; call \
         Backend::init_with before anything else uses llama.cpp",
        .asked.name(), .active.map_or("a placement of other code's choice", super::Numa::name)
    )]
    NumaChosen {
        /// Placement asked for.
        asked: super::Numa,
        /// Placement in effect, if it is known.
        active: Option<super::Numa>,
    },
    /// No device has the name asked for.
    #[error("unknown device {}: the devices are {known}", cited(name))]
    UnknownDevice {
        /// Name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// No device has the buffer type asked for.
    #[error("unknown buffer type {}: the buffer types are {known}", cited(name))]
    UnknownBufferType {
        /// Name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// This llama.cpp has no RPC backend.
    #[error(
        "this llama.cpp was built without its RPC backend, which uses devices of other machines: turn on the feature `rpc` \
         of llama-bench-rs (docs/rpc.md)"
    )]
    NoRpc,
    /// A server of devices on another machine cannot be used.
    #[error("the RPC server {server} cannot be used: {problem}")]
    RpcServer {
        /// Its address.
        server: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The model file is missing or cannot be opened.
    #[error("cannot open the model {path}: {source}")]
    Open {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The model file is malformed.
    #[error("{path} cannot be loaded as a model: {source}")]
    File {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<crate::gguf::GgufError>,
    },
    /// The GGUF file holds something other than a model.
    #[error("{path} is {what}, not a model: name the model's own file")]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A LoRA adapter's file does not fit the model, or cannot be computed with.
    #[error("{path} cannot be used as a LoRA adapter: {problem}")]
    Adapter {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A hyperparameter in the model file is a value that cannot be computed with.
    #[error(
        "{path} says {} = {value}, which cannot be used: {remedy}; convert the model again",
        excerpt(key)
    )]
    Hyperparameter {
        /// The path.
        path: PathBuf,
        /// The metadata key.
        key: String,
        /// Its value.
        value: String,
        /// What it should be.
        remedy: &'static str,
    },
    /// A tensor in the model file cannot be computed with.
    #[error("{path}: tensor {} {problem}: convert the model again", cited(name))]
    Tensor {
        /// The path.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A part of a split model is missing.
    #[error("{path} is one of {n_parts} parts and {missing} is not beside it: put all parts into one folder")]
    SplitMissing {
        /// The path.
        path: PathBuf,
        /// Number of parts.
        n_parts: u64,
        /// The missing part.
        missing: PathBuf,
    },
    /// llama.cpp could not load the model.
    #[error("llama.cpp could not load {path}: {log}")]
    Load {
        /// The path.
        path: PathBuf,
        /// Its last warnings and errors.
        log: String,
    },
    /// A model that other code loaded is not the one in this file.
    #[error("{path} is not the file of the loaded model: {problem}; name the file that it was loaded from")]
    OtherModel {
        /// The path.
        path: PathBuf,
        /// Where they differ.
        problem: String,
    },
    /// There is not enough memory.
    #[error("out of memory while {what}: lower the depth, n_gpu_layers or the batch sizes ({log})")]
    OutOfMemory {
        /// What was being done.
        what: String,
        /// llama.cpp's last warnings and errors.
        log: String,
    },
    /// llama.cpp refused to make a context.
    #[error("llama.cpp could not make a context of {n_ctx} tokens: {log}")]
    Context {
        /// Tokens asked for.
        n_ctx: u32,
        /// Its last warnings and errors.
        log: String,
    },
    /// A parameter has a value that cannot work.
    #[error("{name} = {value} cannot be used: {remedy}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What to do instead.
        remedy: String,
    },
    /// This model cannot do what was asked.
    #[error("{what} is not possible: {why}")]
    Unsupported {
        /// What was asked.
        what: String,
        /// Why not, and what to do instead.
        why: String,
    },
    /// The context is full.
    #[error(
        "the context holds {n_ctx} tokens; {n_past} are in it and {n_tokens} more do not fit: raise n_ctx"
    )]
    ContextFull {
        /// Size of the context, in tokens.
        n_ctx: u32,
        /// Tokens in the context.
        n_past: u32,
        /// Tokens that were to be added.
        n_tokens: u32,
    },
    /// Too many tokens, or none, in one decode.
    #[error("a decode takes 1 to {n_batch} tokens, not {n_tokens}: split it, or raise n_batch")]
    BatchSize {
        /// Largest number of tokens.
        n_batch: u32,
        /// Tokens given.
        n_tokens: usize,
    },
    /// Too many tokens for a model that computes a whole batch at once.
    #[error(
        "attention of this model is not causal, so a batch is computed at once: {n_tokens} tokens are more than \
         n_ubatch ({n_ubatch}); raise n_ubatch"
    )]
    UbatchSize {
        /// Most tokens computed at once.
        n_ubatch: u32,
        /// Tokens given.
        n_tokens: usize,
    },
    /// A token that is not in the vocabulary.
    #[error("token {token} is not in the vocabulary of {n_vocab} tokens")]
    Token {
        /// The token.
        token: i32,
        /// Size of the vocabulary.
        n_vocab: u32,
    },
    /// A sequence that the context does not have.
    #[error("sequence {seq} is not in a context of {n_seq_max} sequences: raise n_seq_max")]
    Sequence {
        /// The sequence.
        seq: i32,
        /// Sequences of the context.
        n_seq_max: u32,
    },
    /// A position that the model's table of learned positions does not have.
    #[error("position {position} is beyond the {positions} that this model has learned: lower the depth")]
    Position {
        /// The position.
        position: u32,
        /// Positions that the model has learned.
        positions: u32,
    },
    /// `llama_decode` failed.
    #[error("llama_decode returned {code} ({meaning}) {log}")]
    Decode {
        /// What it returned.
        code: i32,
        /// What that means.
        meaning: &'static str,
        /// llama.cpp's last warnings and errors.
        log: String,
    },
    /// `llama_encode` failed.
    #[error("llama_encode returned {code}: {log}")]
    Encode {
        /// What it returned.
        code: i32,
        /// llama.cpp's last warnings and errors.
        log: String,
    },
    /// A state could not be saved or restored.
    #[error("the state of sequence {seq} could not be {what}: {why}")]
    State {
        /// The sequence.
        seq: i32,
        /// `saved` or `restored`.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Text could not be turned into tokens or back.
    #[error("{what}: {why}")]
    Text {
        /// What was tried.
        what: &'static str,
        /// Why it failed, and what to do.
        why: String,
    },
    /// The application asked to stop.
    #[error("{what} was cancelled")]
    Cancelled {
        /// What was stopped.
        what: &'static str,
    },
    /// A computation's threads cannot be started.
    #[error(
        "{n_threads} threads cannot be started: {source}; lower n_threads or n_threads_batch, or raise the limit of \
         threads (ulimit -u) or memory (ulimit -v)"
    )]
    Threads {
        /// Threads that the context computes with.
        n_threads: u32,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A C++ exception came out of llama.cpp.
    #[error("llama.cpp threw an exception in {what}: {exception}")]
    Exception {
        /// The C function.
        what: &'static str,
        /// The text of the exception.
        exception: String,
    },
}

crate::error::debug_like_display!(LlamaError);

impl LlamaError {
    /// A stable word for scripts, such as `out_of_memory`; the kind of a failed cell.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoCpuBackend | Self::UnknownDevice { .. } | Self::UnknownBufferType { .. } => "not_found",
            Self::OtherGgml { .. } => "not_found",
            Self::Open { .. } | Self::SplitMissing { .. } => "not_found",
            Self::RpcServer { .. } => "rpc_server",
            Self::File { .. }
            | Self::NotAModel { .. }
            | Self::Load { .. }
            | Self::OtherModel { .. }
            | Self::Adapter { .. }
            | Self::Hyperparameter { .. }
            | Self::Tensor { .. } => "model_load",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::Context { .. } => "context",
            Self::NumaChosen { .. } => "invalid_parameter",
            Self::Parameter { .. }
            | Self::BatchSize { .. }
            | Self::UbatchSize { .. }
            | Self::Token { .. }
            | Self::Sequence { .. } => "invalid_parameter",
            Self::Unsupported { .. } | Self::NoRpc => "unsupported",
            Self::ContextFull { .. } | Self::Position { .. } => "context_too_small",
            Self::Decode { .. } => "decode",
            Self::Encode { .. } => "encode",
            Self::State { .. } => "state",
            Self::Text { .. } => "text",
            Self::Cancelled { .. } => "cancelled",
            Self::Threads { .. } => "threads",
            Self::Exception { .. } => "exception",
        }
    }

    /// `log` said that memory ran out.
    pub(super) fn is_memory(log: &str) -> bool {
        let log = log.to_ascii_lowercase();
        [
            "out of memory",
            "failed to allocate",
            "unable to allocate",
            "bad_alloc",
            "alloc failed",
            "cudamalloc failed",
        ]
        .iter()
        .any(|sign| log.contains(sign))
    }
}
