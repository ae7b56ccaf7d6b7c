//! Tiny models, made once per process.
//!
//! They are loaded on the CPU alone, whatever devices the machine has: devices, memory, the work of a graph and sums to
//! the last bit are then the same everywhere. A test of what must hold on any device asks for a model `on_devices`.
#![allow(dead_code)]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process,
    sync::{LazyLock, Mutex},
};

use llama_bench_rs::{
    gguf::{Shape, Synthetic},
    llama::{Backend, Batch, Context, ContextParams, DeviceKind, LlamaError, Model, ModelParams},
};
static FOLDER: LazyLock<PathBuf> = LazyLock::new(make_folder);
static MODELS: LazyLock<Mutex<HashMap<Key, Model>>> = LazyLock::new(Mutex::default);

/// The shape, whether there is a vocabulary, and whether devices may be used.
type Key = (String, bool, bool);

/// A folder for the files of this process.
pub fn folder() -> &'static Path {
    &FOLDER
}

/// Named by the process. A static is never dropped, so what processes that have ended left behind goes here.
fn make_folder() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models");
    let ended = |folder: &fs::DirEntry| !Path::new("/proc").join(folder.file_name()).exists();
    if Path::new("/proc/self").exists() {
        let folders = fs::read_dir(&parent).into_iter().flatten().filter_map(Result::ok);
        folders.filter(ended).for_each(|folder| drop(fs::remove_dir_all(folder.path())));
    }
    let folder = parent.join(process::id().to_string());
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
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

/// Parameters of a model on the CPU alone.
pub fn on_cpu() -> ModelParams {
    ModelParams::default().no_devices(true)
}

pub fn load(path: &Path) -> Result<Model, LlamaError> {
    Model::load_with(path, &on_cpu())
}

/// Whether there is a GPU. Without one the test is skipped, and says so.
pub fn has_gpu(test: &str) -> bool {
    let devices = backend().devices();
    let found = devices.iter().any(|device| matches!(device.kind(), DeviceKind::Gpu | DeviceKind::Igpu));
    if !found {
        println!("SKIPPED: {test} needs a GPU");
    }
    found
}

fn model(shape: &str, vocabulary: bool, on_devices: bool) -> Model {
    let mut models = MODELS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let params = if on_devices { ModelParams::default() } else { on_cpu() };
    let key = (shape.to_owned(), vocabulary, on_devices);
    let load = || Model::load_with(file(shape, vocabulary), &params).unwrap();
    models.entry(key).or_insert_with(load).clone()
}

pub fn tiny(shape: &str) -> Model {
    model(shape, false, false)
}

/// A tiny model where llama.cpp puts it by default: on a GPU if there is one.
pub fn tiny_on_devices(shape: &str) -> Model {
    model(shape, false, true)
}

pub fn tiny_with_vocabulary(shape: &str) -> Model {
    model(shape, true, false)
}

/// A small context of one thread: tests do not compete for cores.
pub fn params(n_ctx: u32) -> ContextParams {
    ContextParams::default().n_ctx(n_ctx).n_batch(64).n_ubatch(64).n_threads(1).n_threads_batch(1)
}

/// Appends tokens to a sequence, each with logits.
pub fn decode(context: &mut Context, seq: i32, tokens: &[i32]) {
    let from = context.pos_max(seq).unwrap().map_or(0, |last| last + 1);
    let mut batch = Batch::new();
    for (position, &token) in (from..).zip(tokens) {
        batch.add(token, position, &[seq], true).unwrap();
    }
    context.decode(&batch).unwrap();
}

/// The logits of a sequence after one more token.
pub fn next(context: &mut Context, seq: i32) -> Vec<f32> {
    decode(context, seq, &[9]);
    context.logits(-1).unwrap().to_vec()
}
