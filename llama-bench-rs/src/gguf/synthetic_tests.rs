use std::fs;

use super::*;

fn written(synthetic: &Synthetic) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b.gguf");
    synthetic.write_to(&path).unwrap();
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "only the file itself");
    fs::read(path).unwrap()
}

fn preset(name: &str) -> Synthetic<'static> {
    Synthetic::new(Shape::preset(name).unwrap())
}

#[test]
fn true_shapes_have_their_published_size() {
    // Parameters in millions and file size in GiB as published with the models' own files.
    for (name, file_type, millions, gib) in [
        ("gpt-oss-20b", FileType::Mxfp4Moe, 20_910.0, 11.27),
        ("gpt-oss-120b", FileType::Mxfp4Moe, 116_830.0, 59.02),
        ("llama-3.1-8b", FileType::Q4KM, 8_030.0, 4.58),
        ("qwen3-30b-a3b", FileType::Q4KM, 30_530.0, 17.28),
        ("gemma-3-1b", FileType::Q4KM, 999.9, 0.75),
        ("mamba2-2.7b", FileType::F16, 2_700.0, 5.03),
        ("granite-4.0-h-tiny", FileType::Q4KM, 6_940.0, 3.94),
    ] {
        let synthetic = preset(name).file_type(file_type);
        let got = synthetic.shape().n_params() as f64 / 1e6;
        assert!((got / millions - 1.0).abs() < 2e-3, "{name} has {got} million parameters");
        let size = synthetic.size_bytes().unwrap() as f64 / f64::from(1 << 30);
        assert!((size / gib - 1.0).abs() < 0.02, "{name} takes {size} GiB");
    }
}

#[test]
fn every_preset_is_known_by_its_name_and_can_be_laid_out() {
    for name in Shape::preset_names() {
        let synthetic = preset(name);
        assert_eq!(synthetic.shape().name(), *name);
        for &file_type in FileType::ALL {
            assert!(synthetic.clone().file_type(file_type).size_bytes().unwrap() > 0);
        }
    }
    let unknown = Shape::preset("gpt-4").unwrap_err().to_string();
    assert!(unknown.contains("gpt-4") && unknown.contains("tiny-llama"), "{unknown}");
}

#[test]
fn the_reader_finds_what_was_written() {
    for name in Shape::preset_names().iter().filter(|name| name.starts_with("tiny-")) {
        for vocabulary in [false, true] {
            let synthetic = preset(name).vocabulary(vocabulary);
            let bytes = written(&synthetic);
            assert_eq!(bytes.len() as u64, synthetic.size_bytes().unwrap());
            assert!(bytes.len() < 16 << 20, "{name} takes {} bytes", bytes.len());
            let file = GgufFile::from_bytes(&bytes, name).unwrap();
            assert_eq!(file.architecture(), Some(synthetic.shape().architecture()));
            assert_eq!(file.n_params(), synthetic.shape().n_params());
            let tokens = file.get("tokenizer.ggml.tokens").and_then(Value::as_array).map(Array::len);
            assert_eq!(tokens, vocabulary.then_some(synthetic.shape().n_vocab() as usize));
        }
    }
}

#[test]
fn the_seed_decides_the_bytes() {
    let one = written(&preset("tiny-llama"));
    assert_eq!(one, written(&preset("tiny-llama").seed(42)));
    let other = written(&preset("tiny-llama").seed(43));
    assert_eq!(one.len(), other.len());
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!(same < one.len() / 5, "{same} of {} bytes are equal", one.len());
}

#[test]
fn a_file_gives_its_own_shape_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    preset("tiny-gpt-oss").vocabulary(true).write_to(&path).unwrap();
    let like = Synthetic::new(Shape::like_file(&path).unwrap()).seed(7);
    let again = written(&like);
    let (a, b) = (GgufFile::open(&path).unwrap(), GgufFile::from_bytes(&again, "again").unwrap());
    assert_eq!(a.tensors, b.tensors);
    assert_eq!(a.get("tokenizer.ggml.tokens"), b.get("tokenizer.ggml.tokens"));
    assert_ne!(fs::read(&path).unwrap(), again);
}

/// Programs that read text can use it.
#[test]
fn a_file_without_a_vocabulary_gets_one_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    preset("tiny-llama").write_to(&path).unwrap();
    for vocabulary in [false, true] {
        let like = Synthetic::new(Shape::like_file(&path).unwrap()).vocabulary(vocabulary);
        let file = GgufFile::from_bytes(&written(&like), "like").unwrap();
        let kind = file.get("tokenizer.ggml.model").and_then(Value::as_str);
        assert_eq!(kind, Some(if vocabulary { "llama" } else { "none" }));
        assert_eq!(file.get("llama.vocab_size").is_some(), !vocabulary);
    }
}

/// The first bytes of a download are a shape.
#[test]
fn the_header_alone_gives_the_same_model_as_the_whole_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.gguf");
    preset("tiny-gpt-oss").vocabulary(true).write_to(&path).unwrap();
    let whole = written(&Synthetic::new(Shape::like_file(&path).unwrap()));
    let header = GgufFile::open(&path).unwrap().data_offset as usize;
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..header]).unwrap();
    assert!(GgufFile::open(&path).unwrap_err().to_string().contains("lacks"));
    let like = Synthetic::new(Shape::like_file(&path).unwrap());
    assert!(written(&like) == whole, "the same bytes");
    fs::write(&path, &bytes[..header / 2]).unwrap();
    let error = Shape::like_file(&path).unwrap_err();
    assert!(matches!(error, GgufError::HeaderCutOff { .. }), "{error}");
}

#[test]
fn cached_files_are_reused_and_damaged_ones_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    let synthetic = preset("tiny-mamba2");
    let layout_says = |path: &std::path::Path| synthetic.is_written_at(path);
    assert!(!layout_says(&path));
    synthetic.write_to(&path).unwrap();
    assert!(layout_says(&path));
    assert!(!preset("tiny-mamba2").vocabulary(true).is_written_at(&path));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(!layout_says(&path), "cut off");
}

#[test]
fn a_full_disk_leaves_nothing_and_is_named() {
    // A device that is always full; other systems have none.
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        println!("SKIPPED: there is no /dev/full");
        return;
    }
    let file = fs::OpenOptions::new().write(true).open(full).unwrap();
    let error = preset("tiny-llama").stream_into(file, full).unwrap_err();
    assert!(matches!(error, GgufError::DiskFull { .. }), "{error}");
    assert!(error.to_string().contains("free some space"));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = preset("tiny-llama").write_to(file.join("model.gguf")).unwrap_err();
    assert!(error.to_string().contains("make the folder"), "{error}");
}

#[test]
fn progress_ends_at_the_whole() {
    let seen = std::cell::RefCell::new(Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let synthetic = preset("tiny-llama").progress(|done, total| seen.borrow_mut().push((done, total)));
    synthetic.write_to(dir.path().join("m.gguf")).unwrap();
    drop(synthetic);
    let seen = seen.into_inner();
    assert!(seen.is_sorted() && seen.len() > 10);
    let &(done, total) = seen.last().unwrap();
    assert!(done <= total && total - done < 64);
}

#[test]
fn the_routing_decides_the_bytes_and_the_name_of_models_with_experts_alone() {
    let of = |shape, routing| preset(shape).routing(routing);
    let all = [Routing::Balanced, Routing::Random, Routing::Skewed(1.5), Routing::Skewed(1.8)];
    let names: Vec<String> = all.iter().map(|&routing| of("tiny-qwen3moe", routing).file_name()).collect();
    assert_eq!(names[0], "tiny-qwen3moe-f16-seed42-balanced-v1.gguf");
    let files: Vec<Vec<u8>> = all.iter().map(|&routing| written(&of("tiny-qwen3moe", routing))).collect();
    for i in 1..all.len() {
        assert!(!names[..i].contains(&names[i]) && !files[..i].contains(&files[i]), "{}", names[i]);
        assert_eq!(files[i].len(), files[0].len());
    }
    assert_eq!(written(&preset("tiny-qwen3moe")), files[0], "balanced is the default");
    let [dense, same] = [Routing::Balanced, Routing::Random].map(|routing| of("tiny-llama", routing));
    assert_eq!((dense.file_name(), written(&dense)), (same.file_name(), written(&same)));
}

#[test]
fn the_router_reads_what_the_embedding_alone_writes() {
    let bytes = written(&preset("tiny-gpt-oss"));
    let file = GgufFile::from_bytes(&bytes, "model").unwrap();
    let of = |name: &str| {
        let tensor = file.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        let at = (file.data_offset + tensor.offset) as usize;
        (tensor, &bytes[at..at + tensor.size_bytes as usize])
    };
    // A quarter of the 256 numbers of the hidden state.
    let (_, router) = of("blk.1.ffn_gate_inp.weight");
    for row in router.chunks_exact(4 * 256) {
        let numbers: Vec<f32> =
            row.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(numbers[..64].iter().all(|x| x.abs() == 0.125) && numbers[64..].iter().all(|&x| x == 0.0));
        assert_eq!(numbers.iter().sum::<f32>(), 0.0);
    }
    for name in ["attn_output.weight", "attn_output.bias", "ffn_down_exps.weight", "ffn_down_exps.bias"] {
        let (tensor, bytes) = of(&format!("blk.1.{name}"));
        // Rows of the hidden state; of a bias, its numbers.
        let n_rows: u64 = tensor.dims.iter().skip(usize::from(name.ends_with("weight"))).product();
        let row = bytes.len() / n_rows as usize;
        for (i, row) in bytes.chunks_exact(row).enumerate() {
            assert_eq!(row.iter().all(|&byte| byte == 0), i % 256 < 64, "{name}: row {i}");
        }
    }
    assert!(of("blk.1.ffn_gate_inp.bias").1.iter().all(|&byte| byte == 0));
    assert!(of("token_embd.weight").1.chunks_exact(512).all(|row| row[..128].iter().any(|&byte| byte != 0)));
}

#[test]
fn the_first_layers_are_a_model_of_their_own() {
    let whole = Shape::preset("tiny-granite-hybrid").unwrap();
    let part = whole.clone().first_layers(2);
    assert!(part.n_params() < whole.n_params());
    let bytes = written(&Synthetic::new(part));
    let file = GgufFile::from_bytes(&bytes, "part").unwrap();
    assert_eq!(file.get("granitehybrid.block_count").and_then(Value::as_u64), Some(2));
    let per_layer =
        file.get("granitehybrid.attention.head_count_kv").and_then(Value::as_array).map(Array::len);
    assert_eq!(per_layer, Some(2));
    assert!(file.tensors.iter().any(|tensor| tensor.name.starts_with("blk.1.")));
    assert!(!file.tensors.iter().any(|tensor| tensor.name.starts_with("blk.2.")));
}

#[test]
fn impossible_shapes_say_why() {
    let tensors = vec![("blk.0.attn_q.weight".to_owned(), vec![100, 4], TensorType::Q4_K)];
    let odd =
        Synthetic::new(Shape::from_parts("odd", "llama", Vec::new(), tensors)).size_bytes().unwrap_err();
    assert!(odd.to_string().contains("attn_q") && odd.to_string().contains("q4_K"), "{odd}");
    let tensors = vec![("blk.0.attn_q.weight".to_owned(), vec![256, 4], TensorType::I32)];
    let unmade =
        Synthetic::new(Shape::from_parts("odd", "llama", Vec::new(), tensors)).size_bytes().unwrap_err();
    assert!(unmade.to_string().contains("i32"), "{unmade}");
}

/// Everything that the reader would refuse, and sizes beyond 64 bits: nothing is written.
#[test]
fn shapes_that_would_be_invalid_files_are_refused() {
    let with = |metadata: Vec<(&str, Value)>, tensors: &[(&str, &[u64])]| {
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let tensors = tensors.iter().map(|(name, dims)| ((*name).to_owned(), dims.to_vec(), TensorType::F32));
        Synthetic::new(Shape::from_parts("odd", "llama", metadata, tensors.collect()))
    };
    let big = 1 << 33;
    let long = "n".repeat(64);
    for synthetic in [
        with(vec![], &[("a", &[big, big])]),
        with(vec![], &[("a", &[1 << 32, 1 << 32, 1])]),
        with(vec![], &[("a", &[u64::MAX, 2])]),
        with(vec![], &[("a", &[1 << 61]), ("b", &[1 << 61]), ("c", &[1 << 61])]),
        with(vec![], &[("a", &[1 << 60, 4, 4])]),
        with(vec![], &[("a", &[0])]),
        with(vec![], &[("a", &[1 << 62, 0])]),
        with(vec![], &[("a", &[1, 1, 1, 1, 1])]),
        with(vec![], &[("", &[1])]),
        with(vec![], &[(&long, &[1])]),
        with(vec![], &[("a\0b", &[1])]),
        with(vec![], &[("a", &[1]), ("a", &[1])]),
        with(vec![("", Value::U32(1))], &[("a", &[1])]),
        with(vec![("k", Value::U32(1)), ("k", Value::U32(2))], &[("a", &[1])]),
        with(vec![("general.alignment", Value::U32(64))], &[("a", &[1]), ("b", &[1])]),
        with(vec![("general.alignment", Value::U32(3))], &[("a", &[1])]),
        with(vec![], &[("token_embd.weight", &[1, 1 << 40])]).vocabulary(true),
    ] {
        let refused = synthetic.size_bytes().unwrap_err();
        assert!(matches!(refused, GgufError::ImpossibleShape { .. }), "{refused}");
        let dir = tempfile::tempdir().unwrap();
        assert!(synthetic.write_to(dir.path().join("m.gguf")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    assert_eq!(with(vec![], &[("a", &[big, big])]).shape().n_params(), u64::MAX);
    let outside = Synthetic::new(Shape::from_parts("../odd", "llama", Vec::new(), Vec::new()));
    assert!(outside.cached().unwrap_err().to_string().contains("write_to"));
}
