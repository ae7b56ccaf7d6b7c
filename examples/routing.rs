//! Writes a synthetic mixture-of-experts model once for each way to choose its experts, to measure what that does to
//! speed.
//!
//! ```sh
//! cargo run --release --example routing -- gpt-oss-20b models
//! cargo run --release --example sweep -- -m models/balanced.gguf,models/random.gguf,models/skewed.gguf -p 2048 -n 32
//! ```

use std::{env, path::PathBuf};

use llama_bench_rs::gguf::{Routing, Shape, Synthetic};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [shape, folder, rest @ ..] = &arguments[..] else {
        return Err("which model, and where to? Usage: routing SHAPE FOLDER [LAYERS]".into());
    };
    let mut shape = Shape::preset(shape)?;
    if let Some(n_layer) = rest.first() {
        shape = shape.first_layers(n_layer.parse()?);
    }
    for (name, routing) in
        [("balanced", Routing::Balanced), ("random", Routing::Random), ("skewed", Routing::Skewed(2.0))]
    {
        let path = PathBuf::from(folder).join(name).with_extension("gguf");
        Synthetic::new(shape.clone()).routing(routing).write_to(&path)?;
        println!("{}", path.display());
    }
    Ok(())
}
