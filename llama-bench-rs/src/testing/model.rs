use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use crate::{
    Error,
    gguf::{Shape, Synthetic},
    llama::Model,
};

/// The shape of [`tiny_model`].
const SHAPE: &str = "tiny-llama";

/// One entry per shape, locked on its own: two shapes can be made at the same time, and one is made once.
type Entry = Arc<Mutex<Option<Model>>>;

static MODELS: LazyLock<Mutex<HashMap<String, Entry>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// This thread holds the lock of an entry, and what subscribers of llama.cpp's log ask for meanwhile must not wait.
    static LOADING: Cell<bool> = const { Cell::new(false) };
}

/// A synthetic Llama of four layers and a few megabytes: loads in milliseconds, runs everywhere.
///
/// Made once and kept in the cache folder (see [`Synthetic::cached`]), loaded once per process; call it in every test.
/// Tests and processes that start at the same time may all call it.
///
/// # Errors
/// The cache folder cannot be written to, or llama.cpp refuses the model.
pub fn tiny_model() -> Result<Model, Error> {
    tiny(SHAPE)
}

/// [`tiny_model`] of another shape: any of [`Shape::preset_names`] that begins with `tiny-`, or a large one with
/// patience.
///
/// # Errors
/// There is no shape of this name; the cache folder cannot be written to; or llama.cpp refuses the model.
pub fn tiny(shape: &str) -> Result<Model, Error> {
    if LOADING.get() {
        return load(shape);
    }
    // A test that panicked elsewhere left whole entries or none.
    let entry = {
        let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
        models.entry(shape.to_owned()).or_default().clone()
    };
    let mut model = entry.lock().unwrap_or_else(PoisonError::into_inner);
    match &*model {
        Some(model) => Ok(model.clone()),
        None => {
            LOADING.set(true);
            let loaded = load(shape);
            LOADING.set(false);
            Ok(model.insert(loaded?).clone())
        }
    }
}

fn load(shape: &str) -> Result<Model, Error> {
    let path = Synthetic::new(Shape::preset(shape)?).cached()?;
    Ok(Model::load(&path)?)
}
