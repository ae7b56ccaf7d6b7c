//! Reads the headers of GGUF files, and makes synthetic models: a real architecture and real tensor shapes, with random
//! weights, as a file or as a stream that takes no room on a disk.
//!
//! ```no_run
//! use llama_bench_rs::gguf::{Shape, Synthetic};
//!
//! let path = Synthetic::new(Shape::preset("tiny-llama")?).cached()?; // written on first use
//! let shape = Shape::like_file(&path)?; // of any model's file, or of its first megabytes
//! Synthetic::new(shape).seed(7).write_to("copy-with-random-weights.gguf")?;
//! # Ok::<(), llama_bench_rs::gguf::GgufError>(())
//! ```

mod arch;
mod content;
mod cursor;
mod encoders;
mod error;
mod file_type;
mod header;
mod layout;
#[cfg(test)]
mod long_text_tests;
mod model_checks;
mod places;
#[cfg(feature = "measure")]
mod preset_file;
mod presets;
mod read;
mod routing;
mod shape;
mod skew;
mod split;
mod stream;
mod synthetic;
#[cfg(test)]
mod synthetic_tests;
mod types;
mod value;
mod vocabulary;
mod weights;
mod write;

#[cfg(feature = "measure")]
pub(crate) use preset_file::{PresetFile, preset_file};

#[doc(hidden)]
pub use error::{GgufError, Malformed};
#[doc(hidden)]
pub use file_type::FileType;
#[doc(hidden)]
pub use read::{GgufFile, TensorInfo};
#[doc(hidden)]
pub use routing::Routing;
pub use shape::Shape;
pub(crate) use split::{MAX_PARTS, part_path};
#[doc(hidden)]
pub use stream::{StreamReader, SyntheticStream};
pub use synthetic::Synthetic;
#[cfg(feature = "measure")]
pub(crate) use synthetic::cache_folder;
#[doc(hidden)]
pub use types::TensorType;
#[doc(hidden)]
pub use value::{Array, Value};
