//! Reading GGUF files with care, and writing synthetic ones: files of a model's true shape, with random weights.

mod arch;
mod cursor;
mod encoders;
mod error;
mod file_type;
mod header;
mod model_checks;
mod presets;
mod read;
mod routing;
mod shape;
mod synthetic;
#[cfg(test)]
mod synthetic_tests;
mod types;
mod value;
mod vocabulary;
mod weights;

#[doc(hidden)]
pub use error::{GgufError, Malformed};
#[doc(hidden)]
pub use file_type::FileType;
#[doc(hidden)]
pub use read::{GgufFile, TensorInfo};
#[doc(hidden)]
pub use routing::Routing;
pub use shape::Shape;
pub use synthetic::Synthetic;
#[doc(hidden)]
pub use types::TensorType;
#[doc(hidden)]
pub use value::{Array, Value};
