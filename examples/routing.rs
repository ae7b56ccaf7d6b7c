//! Writes a synthetic mixture-of-experts model once for each way to choose its experts, to measure what that does to
//! speed.
//!
//! ```sh
//! cargo run --release --example routing -- gpt-oss-20b models
//! cargo run --release --example sweep -- -m models/balanced.gguf,models/random.gguf,models/skewed.gguf -p 2048 -n 32
//! ```

#[macro_use]
#[path = "support/print.rs"]
mod print;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use llama_bench_rs::{
    Error, cli,
    gguf::{Routing, Shape, Synthetic},
};

/// Writes a synthetic mixture-of-experts model once for each way to choose its experts.
///
/// The files are FOLDER/balanced.gguf, random.gguf and skewed.gguf. Exit status: 0 written, 1 a file cannot be written, 2
/// bad usage.
#[derive(Debug, Parser)]
#[command(name = "routing", disable_version_flag = true)]
struct Args {
    /// Shape of the model, such as gpt-oss-20b
    #[arg(value_name = "SHAPE", value_parser = shape)]
    shape: Shape,
    /// Folder that gets the files
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Layers of the model [default: all of the shape]
    #[arg(value_name = "LAYERS", value_parser = cli::at_least_one)]
    n_layer: Option<u32>,
}

fn shape(name: &str) -> Result<Shape, String> {
    Shape::preset(name).map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    match run(cli::parse()) {
        Ok(()) => print::exit_code(0),
        Err(error) => {
            complain!("routing: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Error> {
    let shape = match args.n_layer {
        Some(n_layer) => args.shape.first_layers(n_layer.into()),
        None => args.shape,
    };
    for (name, routing) in
        [("balanced", Routing::Balanced), ("random", Routing::Random), ("skewed", Routing::Skewed(2.0))]
    {
        let path = args.folder.join(name).with_extension("gguf");
        Synthetic::new(shape.clone()).routing(routing).write_to(&path)?;
        say!("{}", path.display());
    }
    Ok(())
}
