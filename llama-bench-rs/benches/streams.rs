//! What it costs to generate a synthetic model while it is read, one thread, in pieces of 64 KiB. llama.cpp reads 5 to 6 GB/s
//! onto a GPU: below 1 ns per 4 bytes (4 GB/s) the generator would hold it up.

use std::{
    hint::black_box,
    io::{self, Read, Seek, SeekFrom},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llama_bench_rs::gguf::{Shape, StreamReader, Synthetic, TensorType};

const PIECE_BYTES: usize = 64 << 10;

/// Reads the rest; bytes per call are those that the C library asks for.
fn read_all(reader: &mut StreamReader) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut n = 0;
    loop {
        match black_box(reader.read(&mut piece)?) {
            0 => return Ok(n),
            n_read => n += n_read as u64,
        }
    }
}

/// A tensor of each type, whose random blocks are already drawn.
fn types(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor");
    for &tensor_type in TensorType::ALL {
        let tensor = ("blk.0.attn_q.weight".to_owned(), vec![4096, 16384], tensor_type);
        let shape = Shape::from_parts("tensor", "llama", Vec::new(), vec![tensor]);
        let Ok(stream) = Synthetic::new(shape).stream() else { continue };
        group.throughput(Throughput::Bytes(stream.size_bytes()));
        let mut reader = stream.reader();
        group.bench_function(tensor_type.name(), |b| {
            b.iter(|| {
                reader.seek(SeekFrom::Start(0))?;
                read_all(&mut reader)
            });
        });
    }
    group.finish();
}

/// Whole models, the drawing of random blocks included.
fn models(c: &mut Criterion) {
    let mut group = c.benchmark_group("model");
    group.sample_size(10);
    for name in ["gpt-oss-20b", "llama-3.1-8b"] {
        let Ok(stream) = Shape::preset(name).and_then(|shape| Synthetic::new(shape).stream()) else {
            continue;
        };
        group.throughput(Throughput::Bytes(stream.size_bytes()));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| read_all(&mut stream.reader()));
        });
    }
    group.finish();
}

criterion_group!(benches, types, models);
criterion_main!(benches);
