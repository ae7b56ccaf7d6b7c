//! Models that keep no memory or do not generate, and files that are not models, on the command line.
#![allow(missing_docs)]

mod support;

use llama_bench_rs::gguf::{Shape, Synthetic, TensorType, Value as Metadata};
use serde_json::Value;
use support::{Ran, sweep};

fn rows(ran: &Ran) -> Vec<Value> {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err))
}

/// Each row: prompt, generation, depth, embeddings, what came of it.
fn cells(ran: &Ran) -> Vec<(u64, u64, u64, bool, String)> {
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap();
    let outcome = |row: &Value| row["error_kind"].as_str().unwrap_or("measured").to_owned();
    rows(ran)
        .iter()
        .map(|row| {
            let (prompt, gen_, depth) =
                (number(row, "n_prompt"), number(row, "n_gen"), number(row, "n_depth"));
            (prompt, gen_, depth, row["embeddings"].as_bool().unwrap(), outcome(row))
        })
        .collect()
}

#[test]
fn embd_makes_prompts_embeddings_as_in_llama_bench() {
    for flag in ["-embd", "--embeddings"] {
        let ran = sweep([
            "--shape",
            "tiny-bert",
            flag,
            "1",
            "-p",
            "16,24",
            "-n",
            "0",
            "-r",
            "2",
            "-t",
            "1",
            "-o",
            "json",
        ]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        let measured = |n| (n, 0, 0, true, "measured".to_owned());
        assert_eq!(cells(&ran), [measured(16), measured(24)]);
    }
    let both = ["--shape", "tiny-llama", "-embd", "0,1", "-p", "16", "-n", "0", "-r", "2", "-t", "1"];
    let ran = sweep(both.into_iter().chain(["-d", "0,32"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    for test in ["pp16 |", "embd16 |", "pp16 @ d32 |", "embd16 @ d32 |"] {
        assert!(ran.out.contains(test), "{}", ran.out);
    }
    let one = ["--shape", "tiny-bert", "-embd", "1", "-p", "16", "-n", "0", "-r", "2", "-t", "1"];
    let ran = sweep(one.into_iter().chain(["--expect", "embd16=0.001.."]));
    assert!(ran.out.contains("embd16: at least 0.001 t/s expected"), "{}{}", ran.out, ran.err);
}

#[test]
fn with_default_tests_a_model_does_what_it_can_and_says_the_rest() {
    for (shape, generates) in [
        ("tiny-bert", "unsupported"),
        ("tiny-rerank", "unsupported"),
        ("tiny-t5", "measured"),
        ("tiny-t5-encoder", "unsupported"),
        ("tiny-llada", "unsupported"),
    ] {
        let ran = sweep(["--shape", shape, "-r", "1", "-t", "1", "-o", "json"]);
        assert_eq!(ran.status, i32::from(generates != "measured"), "{shape}: {}", ran.err);
        let expected = [(512, 0, 0, false, "measured".to_owned()), (0, 128, 0, false, generates.to_owned())];
        assert_eq!(cells(&ran), expected, "{shape}");
    }
}

#[test]
fn what_cannot_be_run_is_said_before_it_is_tried() {
    let ran = sweep(["--shape", "tiny-bert", "-p", "16", "-n", "4", "-d", "0,32", "--plan"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("not possible: tg4: this model does not generate"), "{}", ran.out);
    assert!(ran.out.contains("not possible: pp16 @ d32: this model keeps no memory"), "{}", ran.out);
    let ran = sweep(["--shape", "tiny-bert", "-p", "16", "-n", "0", "--verify"]);
    assert_eq!(ran.status, 1, "{}", ran.out);
    assert!(ran.err.contains("unsupported") && ran.err.contains("no rewind to verify"), "{}", ran.err);
}

#[test]
fn a_run_of_embeddings_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let path = path.to_str().unwrap();
    let arguments = |n_reps, more: &[&str]| {
        let all = [
            "--shape",
            "tiny-bert",
            "-embd",
            "1",
            "-p",
            "16",
            "-n",
            "4",
            "-d",
            "0,8",
            "-t",
            "1",
            "-r",
            n_reps,
        ];
        sweep(all.iter().chain(&["--output", path]).chain(more))
    };
    assert_eq!(arguments("2", &[]).status, 1, "some cells are not possible");
    let first = std::fs::read_to_string(path).unwrap();
    let ran = arguments("2", &["--resume"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let samples = |text: &str| {
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let embedded: Vec<Value> = rows.filter(|row| row["outcome"] == "measured").collect();
        embedded.last().unwrap()["samples_ns"].clone()
    };
    assert_eq!(
        samples(&std::fs::read_to_string(path).unwrap()),
        samples(&first),
        "nothing is measured again"
    );
}

#[test]
fn files_that_are_no_models_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (general_type, what) in [("mmproj", "a projector"), ("adapter", "an adapter (LoRA)")] {
        let path = folder.path().join(format!("{general_type}.gguf"));
        let metadata = vec![("general.type".to_owned(), Metadata::from(general_type))];
        let tensors = vec![("blk.0.attn_q.weight.lora_a".to_owned(), vec![64, 8], TensorType::F16)];
        Synthetic::new(Shape::from_parts(general_type, "llama", metadata, tensors)).write_to(&path).unwrap();
        let ran = sweep(["-m", path.to_str().unwrap()]);
        assert_eq!(ran.status, 1, "{}", ran.out);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(what) && said.contains("name the model's own file"), "{said}");
    }
}
