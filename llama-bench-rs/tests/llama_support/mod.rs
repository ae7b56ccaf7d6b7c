//! Tiny models, made once per process.
#![allow(dead_code)]

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex},
};

use llama_bench_rs::{
    gguf::{Shape, Synthetic},
    llama::{Backend, ContextParams, LlamaError, Model, ModelParams},
};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static MODELS: LazyLock<Mutex<HashMap<(String, bool), Model>>> = LazyLock::new(Mutex::default);

/// A folder for the files of this process.
pub fn folder() -> &'static Path {
    FOLDER.path()
}

pub fn backend() -> Backend {
    Backend::init().unwrap()
}

/// The file of a tiny shape.
pub fn file(shape: &str, vocabulary: bool) -> PathBuf {
    let path = folder().join(format!("{shape}-{vocabulary}.gguf"));
    if !path.exists() {
        Synthetic::new(Shape::preset(shape).unwrap()).vocabulary(vocabulary).write_to(&path).unwrap();
    }
    path
}

pub fn load(path: &Path) -> Result<Model, LlamaError> {
    Model::load(&backend(), path, &ModelParams::default())
}

fn model(shape: &str, vocabulary: bool) -> Model {
    let mut models = MODELS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let key = (shape.to_owned(), vocabulary);
    models.entry(key).or_insert_with(|| load(&file(shape, vocabulary)).unwrap()).clone()
}

pub fn tiny(shape: &str) -> Model {
    model(shape, false)
}

pub fn tiny_with_vocabulary(shape: &str) -> Model {
    model(shape, true)
}

/// A small context of one thread, so that tests do not fight for cores.
pub fn params(n_ctx: u32) -> ContextParams {
    ContextParams::default().n_ctx(n_ctx).n_batch(64).n_ubatch(64).n_threads(1).n_threads_batch(1)
}
