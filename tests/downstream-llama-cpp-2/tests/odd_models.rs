//! Models and parameters that cannot be measured are errors, and handles go in any order, on any thread.

mod support;

use std::{
    error::Error,
    fs,
    ops::Deref,
    pin::{Pin, pin},
    sync::Arc,
    thread,
};

use downstream_llama_cpp_2::{answer, measure};
use llama_bench_llama_cpp_2::{
    adopt,
    llama_bench_rs::{
        Model,
        gguf::{Shape, Synthetic},
        llama::{LlamaError, LoadMode},
    },
    load, model_params,
};
use llama_cpp_2::model::{
    LlamaModel,
    params::{LlamaModelParams, LlamaSplitMode, kv_overrides::ParamOverrideValue},
};
use support::{both, file, file_with_vocabulary, llama, logits, params};

type Outcome = Result<(), Box<dyn Error>>;

/// What `load` says.
fn refused(params: &LlamaModelParams) -> String {
    load(llama(), file(), params).expect_err("loaded").to_string()
}

fn overridden(key: &std::ffi::CStr, value: ParamOverrideValue) -> Pin<Box<LlamaModelParams>> {
    let mut params = Box::pin(params());
    params.as_mut().append_kv_override(key, value);
    params
}

#[test]
fn a_model_without_weights_is_not_loaded() {
    assert!(refused(&params().with_vocab_only(true)).contains("vocab_only = true"));
    assert!(refused(&params().with_no_alloc(true)).contains("no_alloc = true"));
}

/// Its own parameters tell, and so does the model.
#[test]
fn a_model_without_weights_is_not_adopted() -> Outcome {
    for odd in [params().with_vocab_only(true), params().with_no_alloc(true)] {
        let model = Arc::new(LlamaModel::load_from_file(llama(), file(), &odd)?);
        for said in [odd, params()] {
            // SAFETY: nothing changes the model. That it has no weights is what must be noticed.
            let adopted = unsafe { adopt(Arc::clone(&model), file(), &said) };
            assert!(adopted.is_err());
            assert_eq!(Arc::strong_count(&model), 1);
        }
    }
    Ok(())
}

#[test]
fn another_models_file_is_not_adopted() -> Outcome {
    let model = Arc::new(LlamaModel::load_from_file(llama(), file(), &params())?);
    let folder = tempfile::tempdir()?;
    for shape in ["tiny-mamba2", "tiny-gpt-oss"] {
        let other = folder.path().join(format!("{shape}.gguf"));
        Synthetic::new(Shape::preset(shape)?).write_to(&other)?;
        // SAFETY: nothing changes the model. That the file is another's is what must be noticed.
        let refused = unsafe { adopt(Arc::clone(&model), &other, &params()) }.unwrap_err();
        assert!(refused.to_string().contains(shape), "{refused}");
    }
    // SAFETY: as above; there is no file.
    let refused = unsafe { adopt(Arc::clone(&model), "no/such.gguf", &params()) }.unwrap_err();
    assert!(matches!(refused, LlamaError::Open { .. }), "{refused}");
    assert_eq!(Arc::strong_count(&model), 1);
    Ok(())
}

#[test]
fn either_handle_may_go_first() -> Outcome {
    let (model, measured) = both();
    let expected = logits(&measured, &[5, 6, 7]);
    drop(model);
    assert_eq!(logits(&measured, &[5, 6, 7]), expected);
    assert!(measure(&measured)?.is_complete());

    let (model, measured) = both();
    let expected = answer(llama(), &model, "hello", 4)?;
    drop(measured);
    assert_eq!(answer(llama(), &model, "hello", 4)?, expected);
    assert_eq!(Arc::strong_count(&model), 1);
    Ok(())
}

#[test]
fn both_handles_work_at_once_on_other_threads() {
    let (model, measured) = both();
    let expected = (answer(llama(), &model, "hello", 4).unwrap(), logits(&measured, &[5, 6, 7]));
    let threads: Vec<_> = (0..2)
        .flat_map(|_| {
            let (model, measured, expected) = (Arc::clone(&model), measured.clone(), expected.clone());
            let answers = thread::spawn(move || {
                assert_eq!(answer(llama(), &model, "hello", 4).unwrap(), expected.0);
            });
            let measures = thread::spawn(move || {
                assert_eq!(logits(&measured, &[5, 6, 7]), expected.1);
                assert!(measure(&measured).unwrap().is_complete());
            });
            [answers, measures]
        })
        .collect();
    drop((model, measured));
    for thread in threads {
        thread.join().unwrap();
    }
}

/// An application's own type around its model.
struct Engine {
    model: LlamaModel,
}

struct Shared(Arc<Engine>);

impl Deref for Shared {
    type Target = LlamaModel;

    fn deref(&self) -> &LlamaModel {
        &self.0.model
    }
}

#[test]
fn a_model_is_adopted_from_whoever_owns_it() -> Outcome {
    let load = || LlamaModel::load_from_file(llama(), file(), &params());
    let expected = logits(&Model::load_with(file(), &model_params(&params())?)?, &[5, 6, 7]);
    let engine = Arc::new(Engine { model: load()? });
    let owners: [&dyn Fn() -> Result<Model, Box<dyn Error>>; 3] = [
        // SAFETY: loaded from that file with those parameters; the box is its only owner.
        &|| Ok(unsafe { adopt(Box::new(load()?), file(), &params()) }?),
        // SAFETY: as above; what is leaked is never changed.
        &|| Ok(unsafe { adopt(&*Box::leak(Box::new(load()?)), file(), &params()) }?),
        // SAFETY: as above; the engine is shared and never changed.
        &|| Ok(unsafe { adopt(Shared(Arc::clone(&engine)), file(), &params()) }?),
    ];
    for owner in owners {
        let measured = owner()?;
        assert_eq!(logits(&measured, &[5, 6, 7]), expected);
    }
    assert_eq!(Arc::strong_count(&engine), 1);
    Ok(())
}

/// A LoRA adapter is noted in the model, which measuring threads read: loading one takes `&mut LlamaModel`.
#[test]
fn a_measured_model_cannot_be_changed() {
    let (mut model, measured) = both();
    assert!(Arc::get_mut(&mut model).is_none());
    drop(measured);
    assert!(Arc::get_mut(&mut model).is_some());
}

#[test]
fn files_that_cannot_be_loaded_are_explained() -> Outcome {
    let folder = tempfile::tempdir()?;
    let missing = folder.path().join("missing.gguf");
    let refused = load(llama(), &missing, &params()).unwrap_err();
    assert!(matches!(refused, LlamaError::Open { .. }), "{refused}");

    let damaged = folder.path().join("damaged.gguf");
    let whole = fs::read(file())?;
    fs::write(&damaged, &whole[..whole.len() / 2])?;
    let refused = load(llama(), &damaged, &params()).unwrap_err().to_string();
    assert!(refused.contains("damaged.gguf"), "{refused}");
    Ok(())
}

#[test]
fn a_load_that_the_application_stops_is_an_error() {
    let stopped = refused(&params().with_progress_callback(|_| false));
    assert!(stopped.contains("the progress callback stopped it"), "{stopped}");
}

#[test]
fn parameters_that_llama_cpp_cannot_take_are_refused() {
    let everywhere = params().with_devices(&[0; 16]).unwrap();
    assert!(refused(&everywhere).contains("devices = 16"));
    let twice = params().with_devices(&[0, 0]).unwrap();
    assert!(refused(&twice).contains("name each device once"));
    let nowhere = params().with_split_mode(LlamaSplitMode::None).with_main_gpu(99);
    assert!(refused(&nowhere).contains("main_gpu = 99"));
    assert!(refused(&params().with_load_mtp(true)).contains("load_mtp = true"));
    let mut unread = pin!(params());
    unread.as_mut().add_cpu_buft_override(c"(?=lookahead)");
    assert!(refused(&unread).contains("tensor_buft_overrides"));
}

/// llama-cpp-2 does not tell these from its defaults; the model does.
#[test]
fn what_parameters_do_not_tell_is_read_from_the_model() {
    let loaded = |params: &LlamaModelParams| load(llama(), file(), params).unwrap().1.params().clone();
    let by_default = loaded(&params());
    assert_eq!((by_default.load_mode, by_default.no_devices), (LoadMode::Auto, false));
    assert_eq!(loaded(&params().with_use_mmap(true)).load_mode, LoadMode::Mmap);
    assert!(loaded(&params().with_devices(&[]).unwrap()).no_devices);
    let neither = loaded(&params().with_use_mmap(true).with_devices(&[]).unwrap());
    assert_eq!((neither.load_mode, neither.no_devices), (LoadMode::Mmap, true));
}

/// llama.cpp would divide by it.
#[test]
fn metadata_that_nothing_can_be_computed_with_is_refused() {
    let refused = refused(&overridden(c"llama.attention.head_count", ParamOverrideValue::Int(0)));
    assert!(refused.contains("llama.attention.head_count"), "{refused}");
}

#[test]
fn metadata_in_place_of_the_files_is_loaded_and_not_measured() -> Outcome {
    let params = overridden(c"llama.context_length", ParamOverrideValue::Int(77));
    let (model, measured) = load(llama(), file_with_vocabulary(), &params)?;
    assert_eq!((model.n_ctx_train(), measured.n_ctx_train()), (77, 77));
    // A record does not tell it.
    let report = measure(&measured)?;
    for (_, cell) in report.cells() {
        let refused = &cell.failure().ok_or("measured")?.message;
        assert!(refused.contains("kv_overrides"), "{refused}");
    }
    assert!(!report.is_complete());
    Ok(())
}
