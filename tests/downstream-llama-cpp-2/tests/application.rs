//! What an application does with both crates: infer, measure the same model, guard its speed.

mod support;

use std::{env, error::Error, fs, path::Path, sync::Arc};

use downstream_llama_cpp_2::{answer, context, measure};
use llama_bench_llama_cpp_2::{
    adopt, context_params,
    llama_bench_rs::{
        Model, Report, Sweep,
        llama::{Context, ContextParams, build_info},
        report,
        testing::{Guard, GuardMode, GuardVerdict, Tolerance, quick_sweep},
    },
    load, model_params,
};
use llama_cpp_2::{llama_batch::LlamaBatch, model::LlamaModel, token::LlamaToken};
use object::{Object, ObjectSymbol};
use support::{both, file, llama, logits, params, small};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn the_model_that_answers_is_the_one_that_is_measured() -> Outcome {
    let (model, measured) = both();
    let report = measure(&measured)?;
    assert!(report.is_complete());
    assert_eq!(report.cells().count(), 4);
    let facts = &report.runs[0].header.model;
    assert_eq!(facts.n_params, Some(model.n_params()));
    assert_eq!(facts.n_vocab, u32::try_from(model.n_vocab()).ok());
    assert!(report.runs[0].header.resolved.flash_attn.is_some());

    // Both compute the same, token by token.
    let tokens = answer(llama(), &model, "hello", 8)?;
    let mut mine = Context::new(&measured, &context_params(&context())?)?;
    let n_read = tokens.len() - 8;
    mine.decode_tokens(&tokens[..n_read])?;
    for &token in &tokens[n_read..] {
        let logits = mine.logits(-1).ok_or("no logits")?;
        let likeliest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        assert_eq!(likeliest, usize::try_from(token).ok());
        mine.decode_tokens(&[token])?;
    }
    Ok(())
}

#[test]
fn a_context_of_the_application_goes_on_after_a_sweep() -> Outcome {
    let (model, measured) = both();
    let next = |interrupted: bool| -> Result<Vec<f32>, Box<dyn Error>> {
        let mut context = model.new_context(llama(), context())?;
        let mut batch = LlamaBatch::new(8, 1);
        for position in 0..4 {
            batch.add(LlamaToken(3 + position), position, &[0], true)?;
        }
        context.decode(&mut batch)?;
        if interrupted {
            assert!(measure(&measured)?.is_complete());
        }
        batch.clear();
        batch.add(LlamaToken(9), 4, &[0], true)?;
        context.decode(&mut batch)?;
        Ok(context.get_logits_ith(0).to_vec())
    };
    assert_eq!(next(true)?, next(false)?);
    Ok(())
}

#[test]
fn an_adopted_model_is_recorded_as_one_that_was_loaded() -> Outcome {
    let (path, params) = (file(), params());
    let loaded = Model::load_with(&path, &model_params(&params)?)?;
    let model = Arc::new(LlamaModel::load_from_file(llama(), &path, &params)?);
    // SAFETY: loaded above from that path with those parameters, and shared: nothing changes it.
    let adopted = unsafe { adopt(Arc::clone(&model), &path, &params) }?;

    assert_eq!(logits(&adopted, &[5, 6, 7]), logits(&loaded, &[5, 6, 7]));
    let [of_loaded, of_adopted] = [measure(&loaded)?, measure(&adopted)?];
    let [one, other] = [&of_loaded.runs[0].header, &of_adopted.runs[0].header];
    let differences = one.differences(other);
    assert!(differences.is_empty(), "{differences:?}");
    assert_eq!(one.work, other.work);
    assert_eq!(one.resolved.memory, other.resolved.memory);
    Ok(())
}

#[test]
fn the_build_that_is_recorded_is_that_of_llama_cpp_2() {
    let build = build_info();
    assert_eq!(build.source, "llama-cpp-2");
    assert!(build.version.contains("llama-cpp-sys-2"), "{}", build.version);
    // What llama-cpp-2 sets unless the program is compiled for its own CPU.
    assert!(build.cmake_options.contains("GGML_NATIVE="), "{}", build.cmake_options);
    assert!(build.cmake_options.contains("GGML_OPENMP=ON"), "{}", build.cmake_options);
}

/// Two libraries of llama.cpp would be two registries of devices, two logs and two sets of weights.
#[test]
fn the_program_holds_one_llama_cpp() -> Outcome {
    let program = fs::read(env::current_exe()?)?;
    let program = object::File::parse(&*program)?;
    let symbols = program.symbols().filter(|symbol| symbol.is_definition());
    // macOS puts an underscore before C's names.
    let defined: Vec<_> =
        symbols.filter_map(|symbol| Some(symbol.name().ok()?.trim_start_matches('_'))).collect();
    if defined.is_empty() {
        println!("SKIPPED: this executable has no symbols to count");
        return Ok(());
    }
    let imported: Vec<_> = program.imports()?.into_iter().map(|import| import.name().to_vec()).collect();
    for function in ["llama_decode", "llama_model_load_from_file", "ggml_backend_dev_count"] {
        // With `dynamic-link` of llama-cpp-2 they are in its shared libraries, which both use.
        let is_imported = imported.iter().any(|name| name == function.as_bytes());
        let n_expected = if is_imported { 0 } else { 1 };
        assert_eq!(defined.iter().filter(|name| **name == function).count(), n_expected, "{function}");
    }
    Ok(())
}

/// The tolerance is that of a machine on which anything may run beside the tests: only what takes a hundred times as long
/// is too slow.
#[test]
fn the_speed_of_the_applications_model_is_guarded() -> Outcome {
    let (_, measured) = both();
    let folder = tempfile::tempdir()?;
    let guard =
        Guard::new("main").folder(folder.path()).mode(GuardMode::Save).tolerance(Tolerance::percent(10_000));
    let sweep = || quick_sweep(&measured).prompt(32).generate(4).repetitions(3).context(small());
    assert_eq!(guard.check(sweep())?.verdict, GuardVerdict::Saved);
    // Whether it can tell depends on the machine; it compares.
    assert!(guard.check(sweep())?.outcome.is_some());
    Ok(())
}

/// By `scripts/downstream`: the example `sweep`, which builds its own llama.cpp, with the flags of the sweep below.
#[test]
fn a_program_with_its_own_llama_cpp_measures_the_same_tests() -> Outcome {
    let Some(path) = env::var_os("STANDALONE_REPORT") else {
        println!("SKIPPED: scripts/downstream sets STANDALONE_REPORT");
        return Ok(());
    };
    let alone = report::read_file(Path::new(&path))?.report;
    let (_, measured) = load(llama(), file(), &params())?;
    let context = ContextParams::default().n_threads(1).n_threads_batch(1);
    let shared = Sweep::new(&measured)
        .context(context)
        .prompt(32)
        .generate(4)
        .depths([0, 128])
        .repetitions(2)
        .run()?;
    let n_samples = |report: &Report| -> Vec<_> {
        report.cells().map(|(_, cell)| (cell.test, cell.rates().len())).collect()
    };
    assert_eq!(n_samples(&shared), n_samples(&alone));
    // The build differs, and what it made of the machine; the file, the model and what was asked for do not.
    let differences = shared.runs[0].header.differences(&alone.runs[0].header);
    // What a backend was compiled with is the build's too.
    let is_builds = |field: &str| field.starts_with("build.") || field == "host.backend_features";
    let others: Vec<_> = differences.iter().filter(|it| !is_builds(&it.field)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert_ne!(shared.runs[0].header.build, alone.runs[0].header.build);
    Ok(())
}

/// The README's lines are those of the guide, whose programs compile (see `src/lib.rs`).
#[test]
fn the_readme_shows_what_the_guide_compiles() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| fs::read_to_string(root.join(name));
    let (readme, guide) = (read("README.md")?, read("docs/llama-cpp-2.md")?);
    let section = readme.split("\n## ").find(|text| text.starts_with("Already using llama-cpp-2?"));
    let section = section.ok_or("the README has no such section")?;
    let code = section.split("```").skip(1).step_by(2).flat_map(|block| block.lines().skip(1));
    let code: Vec<&str> = code.map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(code.len() >= 4, "{code:?}");
    let guide: Vec<&str> = guide.lines().map(str::trim).collect();
    for line in code {
        assert!(guide.contains(&line), "the guide does not have: {line}");
    }
    Ok(())
}
