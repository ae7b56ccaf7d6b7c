//! Models that another user of llama.cpp loads, here the tests themselves through the C API.

use std::{
    ffi::{CString, c_void},
    fs,
    path::{Path, PathBuf},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use crate::{
    bench::Sweep,
    gguf::{GgufFile, Shape, Synthetic, Value},
    llama::{
        Backend, Context, ContextParams, Fit, KvOverride, LazyMode, LlamaError, LoadMode, Model, ModelParams,
        SplitMode, sys,
    },
};

/// A model as another library would hold it.
struct Theirs {
    raw: NonNull<sys::llama_model>,
    n_dropped: Arc<AtomicU32>,
}

// SAFETY: a llama_model is immutable after loading and tied to no thread.
unsafe impl Send for Theirs {}
// SAFETY: as above.
unsafe impl Sync for Theirs {}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.n_dropped.fetch_add(1, Ordering::SeqCst);
        // SAFETY: loaded once, freed once, after the model that it owns.
        unsafe { sys::llama_model_free(self.raw.as_ptr()) };
    }
}

fn default_params() -> sys::llama_model_params {
    // SAFETY: no preconditions.
    let mut params = unsafe { sys::llama_model_default_params() };
    // Tests pass beside a GPU too.
    params.n_gpu_layers = 0;
    params
}

/// What `default_params` are here.
fn params() -> ModelParams {
    ModelParams::default().n_gpu_layers(0)
}

fn load_with(path: &Path, params: sys::llama_model_params) -> Theirs {
    Backend::init().unwrap();
    let path = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a NUL-terminated path, and parameters whose pointers live past the call.
    let raw = unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) };
    Theirs { raw: NonNull::new(raw).expect("the tiny model loads"), n_dropped: Arc::default() }
}

fn load(path: &Path) -> Theirs {
    load_with(path, default_params())
}

fn adopt(theirs: Theirs, path: &Path, params: &ModelParams) -> Result<Model, LlamaError> {
    let raw = theirs.raw.cast::<c_void>();
    // SAFETY: a live model of this llama.cpp, which its owner frees and nobody changes.
    unsafe { Model::from_raw(raw, Box::new(theirs), path, params) }
}

fn shape(name: &str) -> Synthetic<'static> {
    Synthetic::new(Shape::preset(name).unwrap())
}

fn write(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.gguf"));
    shape(name).write_to(&path).unwrap();
    path
}

fn small() -> ContextParams {
    let params = ContextParams::default().n_ctx(128).n_batch(64).n_ubatch(64);
    params.n_threads(1).n_threads_batch(1).op_offload(false)
}

fn logits(model: &Model) -> Vec<f32> {
    let mut context = Context::new(model, &small()).unwrap();
    context.decode_tokens(&[1, 2, 3, 4]).unwrap();
    context.logits(-1).unwrap().to_vec()
}

#[test]
fn an_adopted_model_does_what_a_loaded_one_does() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tiny-llama", "tiny-gpt-oss", "tiny-mamba2"] {
        let path = write(folder.path(), name);
        let ours = Model::load_with(&path, &params()).unwrap();
        let adopted = adopt(load(&path), &path, &params()).unwrap();
        assert_eq!(logits(&adopted), logits(&ours), "{name}");
        assert_eq!(
            (adopted.description(), adopted.architecture()),
            (ours.description(), ours.architecture())
        );
        assert_eq!((adopted.n_params(), adopted.size_bytes()), (ours.n_params(), ours.size_bytes()));
        assert!(adopted.metadata_iter().eq(ours.metadata_iter()));
        assert_eq!((adopted.path(), adopted.params()), (ours.path(), ours.params()));
        assert_eq!(adopted.offloaded_layers(), ours.offloaded_layers());
        let memory = adopted.memory_of_context(&small());
        assert!(memory.is_some() && memory == ours.memory_of_context(&small()), "{name}: {memory:?}");
        let used = |model| Context::new(model, &small()).unwrap().memory_breakdown();
        assert_eq!(used(&adopted), used(&ours));
        assert_eq!((adopted.load_time(), ours.load_time().is_some()), (None, true));
    }
}

#[test]
fn the_record_of_an_adopted_model_is_that_of_a_loaded_one_without_a_load_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tiny-llama");
    let header = |model: &Model| {
        let sweep = Sweep::new(model).context(small()).prompt(16).generate(4).depths([0, 32]).repetitions(2);
        let report = sweep.run().unwrap();
        assert!(report.is_complete());
        report.runs[0].header.clone()
    };
    let adopted = header(&adopt(load(&path), &path, &params()).unwrap());
    let ours = header(&Model::load_with(&path, &params()).unwrap());
    assert_eq!(adopted.load.elapsed, None);
    assert_eq!(adopted.load.size_bytes, ours.load.size_bytes);
    assert_eq!((&adopted.model, &adopted.config), (&ours.model, &ours.config));
    assert_eq!((&adopted.resolved, &adopted.work), (&ours.resolved, &ours.work));
    assert_eq!(adopted.differences(&ours), []);
}

#[test]
fn the_owner_is_dropped_once_and_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    shape("tiny-llama").vocabulary(true).write_to(&path).unwrap();
    let theirs = load(&path);
    let n_dropped = theirs.n_dropped.clone();
    let dropped = || n_dropped.load(Ordering::SeqCst);
    let model = adopt(theirs, &path, &params()).unwrap();
    let mut context = Context::new(&model, &small()).unwrap();
    let vocab = model.vocab().unwrap();
    drop(model.clone());
    drop(model);
    context.decode_tokens(&[1, 2]).unwrap();
    assert_eq!(dropped(), 0, "a context and a vocabulary are left");
    drop(context);
    assert!(!vocab.tokenize("and now", true, false).unwrap().is_empty());
    assert_eq!(dropped(), 0);
    thread::spawn(move || drop(vocab)).join().unwrap();
    assert_eq!(dropped(), 1);
}

/// What is refused is freed nevertheless.
#[track_caller]
fn refused(theirs: Theirs, path: &Path, params: &ModelParams) -> LlamaError {
    let n_dropped = theirs.n_dropped.clone();
    let error = adopt(theirs, path, params).unwrap_err();
    assert_eq!(n_dropped.load(Ordering::SeqCst), 1, "{error}");
    error
}

#[test]
fn a_model_without_weights_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tiny-llama");
    let vocabulary_alone = sys::llama_model_params { vocab_only: true, ..default_params() };
    let no_memory =
        sys::llama_model_params { no_alloc: true, load_mode: sys::LLAMA_LOAD_MODE_NONE, ..default_params() };
    let unread = ModelParams { load_mode: LoadMode::None, ..params() };
    for (raw, plain, honest) in [
        (vocabulary_alone, params(), params().vocab_only(true)),
        (no_memory, unread.clone(), unread.no_alloc(true)),
    ] {
        let hidden = refused(load_with(&path, raw), &path, &plain);
        assert!(matches!(hidden, LlamaError::Unsupported { .. }), "{hidden}");
        assert!(hidden.to_string().contains("load it whole"), "{hidden}");
        let said = refused(load_with(&path, raw), &path, &honest);
        assert!(matches!(said, LlamaError::Parameter { name: "vocab_only" | "no_alloc", .. }), "{said}");
        // A complete model does not count as one without weights either.
        refused(load(&path), &path, &honest);
    }
}

#[test]
fn parameters_are_those_that_the_model_was_loaded_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tiny-qwen3moe");
    let cpu = Backend::init().unwrap().devices().into_iter().last().unwrap();
    let wrong: Vec<(&str, ModelParams)> = vec![
        ("n_gpu_layers", params().n_gpu_layers(7)),
        ("n_gpu_layers", params().n_gpu_layers(-1)),
        ("devices", params().devices(vec![cpu])),
        ("devices", params().no_devices(true)),
        ("split_mode", params().split_mode(SplitMode::Row)),
        ("tensor_split", params().tensor_split(vec![0.5])),
        ("load_mode", params().load_mode(LoadMode::None)),
        ("lazy_mode", params().lazy_mode(LazyMode::On)),
        (
            "tensor_buft_overrides and n_cpu_moe",
            params().tensor_buft_overrides(vec![("exps".into(), "CPU".into())]),
        ),
        ("tensor_buft_overrides and n_cpu_moe", params().n_cpu_moe(1)),
        ("use_extra_bufts", params().use_extra_bufts(false)),
        ("no_host", params().no_host(true)),
        ("check_tensors", params().check_tensors(true)),
        (
            "kv_overrides",
            params().kv_overrides(vec![("qwen3moe.context_length".into(), KvOverride::Int(77))]),
        ),
        ("fit", params().fit(Some(Fit { margin_mib: 1, n_ctx: 64 }))),
        ("lora", params().lora(vec!["adapter.gguf".into()])),
    ];
    for (expected, params) in wrong {
        let error = refused(load(&path), &path, &params);
        let LlamaError::Parameter { name, .. } = &error else { panic!("{expected}: {error}") };
        assert_eq!(*name, expected, "{error}");
    }
    let main_gpu = refused(load(&path), &path, &params().main_gpu(1));
    assert!(main_gpu.to_string().contains("main_gpu"), "{main_gpu}");
    // The other way round: what the model has and the parameters do not say.
    let raw = |change: fn(&mut sys::llama_model_params)| {
        let mut params = default_params();
        change(&mut params);
        load_with(&path, params)
    };
    for (expected, theirs) in [
        ("use_extra_bufts", raw(|params| params.use_extra_bufts = false)),
        ("n_gpu_layers", raw(|params| params.n_gpu_layers = 3)),
        ("load_mode", raw(|params| params.load_mode = sys::LLAMA_LOAD_MODE_NONE)),
        ("load_mtp", raw(|params| params.load_mtp = true)),
    ] {
        let error = refused(theirs, &path, &params());
        assert!(matches!(&error, LlamaError::Parameter { name, .. } if *name == expected), "{error}");
    }
}

#[test]
fn parameters_that_fit_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tiny-llama");
    let mut none = [ptr::null_mut()];
    let raw = sys::llama_model_params {
        devices: none.as_mut_ptr(),
        load_mode: sys::LLAMA_LOAD_MODE_NONE,
        lazy_mode: sys::LLAMA_LAZY_MODE_OFF,
        use_extra_bufts: false,
        check_tensors: true,
        n_gpu_layers: -7,
        ..default_params()
    };
    let asked = params().no_devices(true).load_mode(LoadMode::None).lazy_mode(LazyMode::Off);
    let asked = asked.use_extra_bufts(false).check_tensors(true).n_gpu_layers(-1);
    let model = adopt(load_with(&path, raw), &path, &asked).unwrap();
    assert_eq!(model.params(), &asked);
    assert!(logits(&model).iter().all(|logit| logit.is_finite()));

    // Shares beyond the devices that there are say nothing.
    let mut shares = vec![0.0; 64];
    shares[0] = 0.25;
    let raw = sys::llama_model_params { tensor_split: shares.as_ptr(), ..default_params() };
    adopt(load_with(&path, raw), &path, &params().tensor_split(vec![0.25, 0.0])).unwrap();

    let pattern = c"attn_q";
    // SAFETY: a CPU backend is registered.
    let buft = unsafe {
        sys::ggml_backend_dev_buffer_type(sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU))
    };
    let end = sys::llama_model_tensor_buft_override { pattern: ptr::null(), buft: ptr::null_mut() };
    let overrides = [sys::llama_model_tensor_buft_override { pattern: pattern.as_ptr(), buft }, end];
    let raw = sys::llama_model_params { tensor_buft_overrides: overrides.as_ptr(), ..default_params() };
    let asked = params().tensor_buft_overrides(vec![("attn_q".into(), "CPU".into())]);
    adopt(load_with(&path, raw), &path, &asked).unwrap();
    // A list of nothing is nothing.
    let raw = sys::llama_model_params { tensor_buft_overrides: &raw const overrides[1], ..default_params() };
    adopt(load_with(&path, raw), &path, &params()).unwrap();
}

#[test]
fn the_file_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tiny-llama");
    let other_path = folder.path().join("other.gguf");
    let said = |theirs: Theirs, expected: &str| {
        let error = refused(theirs, &other_path, &params());
        assert!(matches!(error, LlamaError::OtherModel { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    };
    shape("tiny-gpt-oss").write_to(&other_path).unwrap();
    said(load(&path), "general.architecture");
    // One that was trained further differs in its weights alone.
    let file = GgufFile::open(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[file.data_offset as usize..].iter_mut().for_each(|byte| *byte ^= 1);
    fs::write(&other_path, bytes).unwrap();
    said(load(&path), "other weights");
    fs::write(&other_path, b"GGUF").unwrap();
    assert!(matches!(refused(load(&path), &other_path, &params()), LlamaError::File { .. }));
    let missing = folder.path().join("missing.gguf");
    assert!(matches!(refused(load(&path), &missing, &params()), LlamaError::Open { .. }));
}

/// Writes a model in two parts, the second with the last tensors.
fn split(from: &Path, folder: &Path) -> PathBuf {
    let file = GgufFile::open(from).unwrap();
    let architecture = file.architecture().unwrap().to_owned();
    let tensors: Vec<_> =
        file.tensors.iter().map(|it| (it.name.clone(), it.dims.clone(), it.tensor_type)).collect();
    let n_all = tensors.len();
    let (first, second) = tensors.split_at(n_all / 2);
    let about = |part: u16| {
        [
            ("split.no".to_owned(), Value::U16(part)),
            ("split.count".into(), Value::U16(2)),
            ("split.tensors.count".into(), Value::I32(n_all as i32)),
        ]
    };
    let metadata = |part: u16| {
        let kept = file.metadata.iter().filter(|(key, _)| !key.starts_with("general."));
        kept.cloned().chain(about(part)).collect::<Vec<_>>()
    };
    for (part, tensors) in [(0, first), (1, second)] {
        let path = folder.join(format!("split-{:05}-of-00002.gguf", part + 1));
        let shape = Shape::from_parts("split", &architecture, metadata(part), tensors.to_vec());
        Synthetic::new(shape).write_to(&path).unwrap();
    }
    folder.join("split-00001-of-00002.gguf")
}

#[test]
fn a_model_in_parts_is_compared_in_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = split(&write(folder.path(), "tiny-llama"), folder.path());
    let adopted = adopt(load(&path), &path, &params()).unwrap();
    assert_eq!(logits(&adopted), logits(&Model::load_with(&path, &params()).unwrap()));
    let second = folder.path().join("split-00002-of-00002.gguf");
    let error = refused(load(&path), &second, &params());
    assert!(error.to_string().contains("split.no"), "{error}");
    let theirs = load(&path);
    fs::remove_file(&second).unwrap();
    assert!(matches!(refused(theirs, &path, &params()), LlamaError::SplitMissing { .. }));
}

#[test]
fn their_contexts_and_ours_compute_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "tiny-llama");
    let theirs = load(&path);
    let raw = theirs.raw.as_ptr() as usize;
    let model = adopt(theirs, &path, &params()).unwrap();
    let expected = logits(&model);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(logits(&model), expected)));
        }
        scope.spawn(|| {
            // SAFETY: the model lives as long as the scope; tokens are of its vocabulary and fit into the context.
            unsafe {
                let params = sys::llama_context_params {
                    n_ctx: 128,
                    n_threads: 1,
                    n_threads_batch: 1,
                    ..sys::llama_context_default_params()
                };
                let context = sys::llama_init_from_model(raw as *mut sys::llama_model, params);
                assert!(!context.is_null());
                let mut tokens = [1, 2, 3, 4];
                for _ in 0..5 {
                    let batch = sys::llama_batch_get_one(tokens.as_mut_ptr(), 4);
                    assert_eq!(sys::llama_decode(context, batch), 0);
                }
                sys::llama_free(context);
            }
        });
    });
}
