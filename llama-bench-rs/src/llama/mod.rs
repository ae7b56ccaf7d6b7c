//! llama.cpp behind safe types: load a [`Model`], make a [`Context`], decode tokens, and choose the next one with a
//! [`Sampler`].
//!
//! A `Context` keeps its `Model` alive. Arguments that would make llama.cpp abort are rejected first, with an error that
//! names the value and the remedy. This is the only module of the crate with `unsafe`.
//!
//! ```
//! use llama_bench_rs::llama::{Context, ContextParams, Sampler};
//! # use llama_bench_rs::{gguf::{Shape, Synthetic}, llama::Model};
//!
//! # let path = Synthetic::new(Shape::preset("tiny-llama")?).vocabulary(true).cached()?;
//! # let model = Model::load(&path)?;
//! let vocab = model.vocab()?; // of a Model::load("model.gguf")
//! let mut context = Context::new(&model, &ContextParams::default().n_ctx(256))?;
//! let mut sampler = Sampler::chain(&model).top_k(40).temperature(0.8).draw(42)?;
//!
//! context.decode_tokens(&vocab.tokenize("Once upon a time", true, false)?)?;
//! for _ in 0..16 {
//!     let token = sampler.sample(&mut context, -1)?;
//!     print!("{}", vocab.detokenize(&[token], false)?);
//!     context.decode_tokens(&[token])?;
//! }
//! # Ok::<(), llama_bench_rs::Error>(())
//! ```
//!
//! [`chat`](crate::chat) keeps a whole conversation in a context; [`gguf`](crate::gguf) makes synthetic models.
#![allow(unsafe_code)]

mod adopt;
mod adopted_file;
mod adopted_params;
mod at_exit;
mod backend;
mod batch;
mod build;
#[cfg(feature = "measure")]
mod cell_work;
mod chat;
mod checks;
mod compute;
mod context;
mod context_params;
#[cfg(test)]
mod context_tests;
mod decode_rules;
mod default_threads;
mod device;
#[cfg(feature = "measure")]
mod dot;
mod encoder;
mod error;
#[cfg(test)]
mod experts_tests;
mod features;
mod fit;
mod grammar;
mod graph;
mod header_checks;
mod hooks;
mod kind;
mod kv_overrides;
mod load;
mod log;
#[cfg(test)]
#[path = "../../tests/log_support/mod.rs"]
mod log_support;
mod lora;
mod memory;
mod model;
mod model_arguments;
mod model_facts;
mod model_metadata;
mod model_params;
mod numa;
mod origin;
mod overrides;
mod placement;
#[cfg(feature = "measure")]
mod probe;
mod refusals;
mod rope;
mod rpc;
#[cfg(feature = "measure")]
mod rpc_block;
mod rpc_graphs;
mod rpc_greeting;
mod rpc_worker;
mod sampler;
mod sampler_chain;
mod sampler_step;
mod samplers;
mod scheduling;
mod sequences;
mod stack;
mod state;
#[cfg(test)]
mod state_tests;
mod strays;
mod stream;
mod synthetic;
mod sys;
mod text_stream;
mod threadpool;
mod threads;
mod trace;
mod traits;
mod vocab;
mod work;

pub use backend::Backend;
pub use batch::Batch;
#[doc(hidden)]
pub use build::{Build, build_info};
#[doc(hidden)]
#[cfg(feature = "measure")]
pub(crate) use cell_work::{CellCount, CellCounts, CellPart, CellTest};
#[doc(hidden)]
pub use chat::ChatMessage;
pub use chat::ChatTemplate;
pub use context::Context;
pub use context_params::{ContextParams, FlashAttn, KvType};
pub use device::Device;
#[doc(hidden)]
pub use device::DeviceKind;
#[cfg(feature = "measure")]
pub(crate) use dot::dot;
pub use error::LlamaError;
#[doc(hidden)]
pub use fit::Fit;
#[doc(hidden)]
pub use graph::{Copies, Nodes, Stray, Work, WorkKind};
#[cfg(feature = "measure")]
pub(crate) use graph::{FLASH_ATTENTION, is_repacked};
pub use kind::Pooling;
#[doc(hidden)]
pub use kv_overrides::KvOverride;
#[doc(hidden)]
pub use load::Progress;
pub use lora::Lora;
#[doc(hidden)]
pub use memory::DeviceMemory;
pub use model::Model;
#[doc(hidden)]
pub use model_params::LazyMode;
pub use model_params::{LoadMode, ModelParams, SplitMode};
#[doc(hidden)]
pub use numa::Numa;
#[cfg(feature = "measure")]
pub(crate) use overrides::compile as tensor_pattern;
#[cfg(feature = "measure")]
pub(crate) use probe::{Probe, ProbeShape};
#[doc(hidden)]
pub use rope::{Rope, RopeScaling};
#[cfg(feature = "measure")]
pub(crate) use rpc_block::Block;
pub use rpc_worker::RpcWorker;
pub use sampler::Sampler;
#[doc(hidden)]
pub use sampler::SamplerParams;
pub use sampler_chain::SamplerChain;
#[doc(hidden)]
pub use sampler_chain::{Dry, Penalties};
#[doc(hidden)]
pub use sequences::max_sequences;
#[doc(hidden)]
pub use state::{SeqState, StateFlags};
#[doc(hidden)]
pub use text_stream::TextStream;
#[doc(hidden)]
pub use trace::{BlockKind, Stop, Stops};
pub use vocab::{Token, Vocab};
