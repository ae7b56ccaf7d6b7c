//! Measures one model in the llama.cpp that llama-cpp-2 builds, for `scripts/shared-figures`:
//! `shared-sweep SHAPE N_PROMPT N_GEN DEPTHS N_REPETITIONS N_THREADS`, depths separated by commas; prints rows of JSON.

use std::{env, error::Error, str::FromStr};

use llama_bench_llama_cpp_2::{
    llama_bench_rs::{
        Sweep,
        gguf::{Shape, Synthetic},
        llama::ContextParams,
        report::{self, Format},
    },
    load,
};
use llama_cpp_2::{llama_backend::LlamaBackend, model::params::LlamaModelParams};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [shape, n_prompt, n_gen, depths, n_reps, n_threads] = &args[..] else {
        return Err("shared-sweep SHAPE N_PROMPT N_GEN DEPTHS N_REPETITIONS N_THREADS".into());
    };
    let depths = depths.split(',').map(u32::from_str).collect::<Result<Vec<_>, _>>()?;
    let n_threads = n_threads.parse()?;
    let path = Synthetic::new(Shape::preset(shape)?).cached()?;
    let (_, model) = load(&LlamaBackend::init()?, path, &LlamaModelParams::default())?;
    let report = Sweep::new(&model)
        .context(ContextParams::default().n_threads(n_threads).n_threads_batch(n_threads))
        .prompt(n_prompt.parse()?)
        .generate(n_gen.parse()?)
        .depths(depths)
        .repetitions(n_reps.parse()?)
        .run()?;
    print!("{}", report::to_string(&report, Format::Json)?);
    Ok(())
}
