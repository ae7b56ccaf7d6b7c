//! Every flag of llama-bench's usage text in each of its forms, up to the parameters that it leads to.

use std::{collections::BTreeSet, fmt::Debug, path::PathBuf, time::Duration};

use clap::{CommandFactory, error::ErrorKind};
use llama_bench_rs::{
    cli::{MethodArg, OrderArg, OutputFormat, all, all_integers},
    llama::{Backend, ContextParams, FlashAttn, KvType, LazyMode, LoadMode, ModelParams, Numa, SplitMode},
    report::Format,
};

use super::*;

/// Reads a line; words are separated by one blank, two stand around an empty word.
pub(super) fn parse(line: &str) -> Result<Args, clap::Error> {
    let words = line.split(' ').filter(|_| !line.is_empty());
    Args::from_words(["sweep"].into_iter().chain(words).map(Into::into))
}

pub(super) fn args(line: &str) -> Args {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

pub(super) fn models(line: &str) -> Vec<ModelParams> {
    let args = args(line);
    args.model.combinations(&Backend::init().unwrap(), args.tests.n_ctx()).unwrap()
}

pub(super) fn contexts(line: &str) -> Vec<ContextParams> {
    args(line).context.params()
}

/// The flags that a table has spoken of: none may be forgotten.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    /// A flag that takes lists, under each of its names: one value, a list, repeated, and with `=`.
    fn list<T, V>(
        &mut self,
        names: &str,
        values: [&str; 2],
        of: fn(&str) -> Vec<T>,
        get: fn(&T) -> V,
        meant: [V; 2],
    ) where
        V: PartialEq + Debug + Clone,
    {
        let found = |line: String| of(&line).iter().map(get).collect::<Vec<V>>();
        let [one, two] = values;
        for name in names.split(' ') {
            let message = format!("{name} {one} {two}");
            assert_eq!(found(format!("{name} {one}")), meant[..1], "{message}");
            assert_eq!(found(format!("{name} {two}")), meant[1..], "{message}");
            assert_eq!(found(format!("{name}={two}")), meant[1..], "{message}");
            assert_eq!(found(format!("{name} {one},{two}")), meant, "{message}");
            assert_eq!(found(format!("{name}={one},{two}")), meant, "{message}");
            assert_eq!(found(format!("{name} {one} {name} {two}")), meant, "{message}");
            self.0.insert(name.into());
        }
        let underscored =
            names.split(' ').find(|name| name.starts_with("--")).map(|name| name[2..].replace('-', "_"));
        if let Some(name) = underscored {
            assert_eq!(found(format!("--{name} {one},{two}")), meant, "--{name}");
        }
    }

    /// A flag whose last value counts.
    fn last<V: PartialEq + Debug>(
        &mut self,
        names: &str,
        values: [&str; 2],
        get: fn(&Args) -> V,
        meant: [V; 2],
    ) {
        let [one, two] = values;
        for name in names.split(' ') {
            assert_eq!(get(&args(&format!("{name} {one}"))), meant[0], "{name} {one}");
            assert_eq!(get(&args(&format!("{name}={one}"))), meant[0], "{name}={one}");
            assert_eq!(
                get(&args(&format!("{name} {one} {name} {two}"))),
                meant[1],
                "{name} {one} {name} {two}"
            );
            self.0.insert(name.into());
        }
    }

    /// A flag without a value, which may be repeated.
    fn switch(&mut self, names: &str, get: fn(&Args) -> bool) {
        assert!(!get(&args("")), "{names}");
        for name in names.split(' ') {
            assert!(get(&args(name)) && get(&args(&format!("{name} {name}"))), "{name}");
            self.0.insert(name.into());
        }
    }
}

#[test]
fn every_flag_of_llama_bench_in_each_of_its_forms() {
    let mut seen = Seen::default();

    let s = &mut seen;
    let margin = |p: &ModelParams| p.fit.map(|fit| fit.margin_mib);
    s.list("-fitt --fit-target", ["1024", "0"], models, margin, [Some(1024), None]);
    s.list(
        "-fitc --fit-ctx",
        ["512", "8192"],
        models,
        |p| p.fit.map(|fit| fit.n_ctx),
        [Some(512), Some(8192)],
    );
    s.list("-ngl --n-gpu-layers", ["-1", "7"], models, |p| p.n_gpu_layers, [-1, 7]);
    s.list("-ncmoe --n-cpu-moe", ["3", "0"], models, |p| p.n_cpu_moe, [3, 0]);
    s.list("-sm --split-mode", ["row", "none"], models, |p| p.split_mode, [SplitMode::Row, SplitMode::None]);
    s.list(
        "-lm --load-mode",
        ["mmap+mlock", "dio"],
        models,
        |p| p.load_mode,
        [LoadMode::MmapMlock, LoadMode::DirectIo],
    );
    s.list("-mmp --mmap", ["0", "1"], models, |p| p.load_mode, [LoadMode::None, LoadMode::Mmap]);
    s.list("-dio --direct-io", ["1", "0"], models, |p| p.load_mode, [LoadMode::DirectIo, LoadMode::Mmap]);
    s.list("-lzm --lazy-mode", ["on", "off"], models, |p| p.lazy_mode, [LazyMode::On, LazyMode::Off]);
    s.list("-mg --main-gpu", ["1", "0"], models, |p| p.main_gpu, [1, 0]);
    s.list("-dev --device", ["none", "auto"], models, |p| p.no_devices, [true, false]);
    s.list(
        "-ts --tensor-split",
        ["3/1", "1/1/2"],
        models,
        |p| p.tensor_split.clone(),
        [vec![3.0, 1.0], vec![1.0, 1.0, 2.0]],
    );
    let overrides = ["a=CPU;b.{1,2}=CPU", "c=CPU"];
    let names =
        |p: &ModelParams| p.tensor_buft_overrides.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    s.list(
        "-ot --override-tensor",
        overrides,
        models,
        names,
        [vec!["a".into(), "b.{1,2}".into()], vec!["c".into()]],
    );
    s.list("--no-host", ["1", "0"], models, |p| p.no_host, [true, false]);
    s.list("--repack", ["0", "1"], models, |p| p.use_extra_bufts, [false, true]);

    s.list("-embd --embeddings", ["1", "0"], contexts, |p| p.embeddings, [true, false]);
    s.list("-nopo --no-op-offload", ["1", "0"], contexts, |p| p.op_offload, [false, true]);
    s.list("-b --batch-size", ["1024", "4096"], contexts, |p| p.n_batch, [1024, 4096]);
    s.list("-ub --ubatch-size", ["128", "64"], contexts, |p| p.n_ubatch, [128, 64]);
    s.list("-ctk --cache-type-k", ["q8_0", "bf16"], contexts, |p| p.type_k, [KvType::Q8_0, KvType::Bf16]);
    s.list("-ctv --cache-type-v", ["iq4_nl", "f16"], contexts, |p| p.type_v, [KvType::Iq4Nl, KvType::F16]);
    s.list("-nkvo --no-kv-offload", ["1", "0"], contexts, |p| p.offload_kqv, [false, true]);
    s.list("-fa --flash-attn", ["on", "-1"], contexts, |p| p.flash_attn, [FlashAttn::On, FlashAttn::Auto]);
    s.list("-fa --flash-attn", ["0", "auto"], contexts, |p| p.flash_attn, [FlashAttn::Off, FlashAttn::Auto]);
    s.list("-fa --flash-attn", ["1", "off"], contexts, |p| p.flash_attn, [FlashAttn::On, FlashAttn::Off]);
    s.list("-t --threads", ["3", "5"], contexts, |p| (p.n_threads, p.n_threads_batch), [(3, 3), (5, 5)]);
    s.list("-C --cpu-mask", ["0x3", "F0"], contexts, |p| p.cpu_mask.len(), [2, 8]);
    s.list("--cpu-strict", ["1", "0"], contexts, |p| p.cpu_strict, [true, false]);
    s.list("--poll", ["0", "100"], contexts, |p| p.poll, [0, 100]);

    let n_prompt: fn(&str) -> Vec<u32> = |line| all(&args(line).tests.n_prompt);
    s.list("-p --n-prompt", ["512", "0"], n_prompt, |n| *n, [512, 0]);
    s.list("-n --n-gen", ["0", "64"], |line| all(&args(line).tests.n_gen), |n| *n, [0, 64]);
    s.list("-d --n-depth", ["0", "9"], |line| all(&args(line).tests.n_depth), |n| *n, [0, 9]);
    s.list("-npl --parallel", ["1", "32"], |line| all(&args(line).tests.parallel), |n| *n, [1, 32]);
    s.switch("-pps --shared-prefix", |args| args.tests.shared_prefix);
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    s.list(
        "-m --model",
        ["a.gguf", "-b.gguf"],
        |line| args(line).model.models,
        path,
        ["a.gguf".into(), "-b.gguf".into()],
    );
    s.list(
        "-rpc --rpc",
        ["a:1", "10.0.0.2:50052"],
        |line| args(line).model.rpc,
        String::clone,
        ["a:1".into(), "10.0.0.2:50052".into()],
    );
    for line in ["-pg 512,128 -pg 8,4", "-pg=512,128 --pg 8,4"] {
        assert_eq!(args(line).tests.pg, [(512, 128), (8, 4)]);
    }
    s.0.insert("-pg".into());

    s.last("-r --repetitions", ["3", "2"], |a| a.run.n_reps, [3, 2]);
    s.last(
        "--numa",
        ["distribute", "isolate"],
        |a| a.run.numa,
        [Some(Numa::Distribute), Some(Numa::Isolate)],
    );
    s.last("--numa", ["", "numactl"], |a| a.run.numa, [Some(Numa::Distribute), Some(Numa::Numactl)]);
    s.last("--delay", ["5", "0.5"], |a| a.run.delay, [Duration::from_secs(5), Duration::from_millis(500)]);
    s.last(
        "--prio",
        ["-1", "3"],
        |a| all_integers(std::slice::from_ref(&a.context.prio)),
        [vec![-1], vec![3]],
    );
    let rows = [OutputFormat::Rows(Format::Markdown), OutputFormat::Rows(Format::Json)];
    s.last("-o --output", ["md", "json"], |a| a.out.format, rows);
    s.last(
        "-o --output",
        ["sql", "none"],
        |a| a.out.format,
        [OutputFormat::Rows(Format::Sql), OutputFormat::Nothing],
    );
    s.last(
        "-oe --output-err",
        ["csv", "jsonl"],
        |a| a.out.format_err,
        [OutputFormat::Rows(Format::Csv), OutputFormat::Rows(Format::Jsonl)],
    );
    s.switch("--no-warmup", |a| a.run.no_warmup);
    s.switch("--progress", |a| a.progress);
    s.switch("-v --verbose", |a| a.out.verbose);
    s.switch("--list-devices", |a| a.list_devices);

    for (names, why) in REFUSED {
        for name in names.split(' ') {
            for line in [format!("{name} 1"), format!("{name}=1"), name.to_owned()] {
                let error = parse(&line).unwrap_err();
                assert_eq!(error.exit_code(), 2);
                let said = error.to_string();
                assert!(said.contains(&format!("{name}: ")) && said.contains(why), "{line}: {error}");
            }
            seen.0.insert(name.into());
        }
    }
    for name in USAGE.split_whitespace() {
        assert!(seen.0.contains(name), "{name} is in llama-bench's usage and in no table");
    }
}

/// Flags of llama-bench that are refused, and what the message says to do instead.
const REFUSED: [(&str, &str); 1] =
    [("-hf -hfr --hf-repo -hff --hf-file -hft --hf-token --offline", "download the GGUF file")];

/// The names in llama-bench's usage text, those among them that it calls deprecated.
const USAGE: &str = "--numa -r --repetitions --prio --delay -o --output -oe --output-err --list-devices -v --verbose \
    --progress --no-warmup -fitt --fit-target -fitc --fit-ctx -rpc --rpc -m --model -hf -hfr --hf-repo -hff --hf-file \
    -hft --hf-token --offline -p --n-prompt -n --n-gen -pg -d --n-depth -b --batch-size -ub --ubatch-size -ctk \
    --cache-type-k -ctv --cache-type-v -t --threads -C --cpu-mask --cpu-strict --poll -ngl --n-gpu-layers -ncmoe \
    --n-cpu-moe -sm --split-mode -mg --main-gpu -nkvo --no-kv-offload -fa --flash-attn -dev --device -lm --load-mode \
    -lzm --lazy-mode -mmp --mmap -dio --direct-io -embd --embeddings -ts --tensor-split -ot --override-tensor -nopo \
    --no-op-offload --no-host --repack";

#[test]
fn help_names_every_flag_by_all_its_names() {
    let help = |flag| {
        let help = parse(flag).unwrap_err();
        assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
        help.to_string()
    };
    let (screen, everything) = (help("-h"), help("--help"));
    let words: BTreeSet<&str> = everything.split(|c: char| c.is_whitespace() || c == ',').collect();
    for name in USAGE.split_whitespace() {
        assert!(words.contains(name), "{name}");
    }
    // The first flags that somebody needs who has a model.
    for names in
        ["-m, --model", "-ngl, --n-gpu-layers", "-ub, --ubatch-size", "-fa, --flash-attn", "-d, --n-depth"]
    {
        assert!(screen.contains(names), "{names}: {screen}");
    }
    assert!(screen.lines().count() <= 52, "{screen}");
}

/// A switch without a value whose parser wants one could not be used in any form.
#[test]
fn no_flag_is_there_that_cannot_be_used() {
    let mut command = Args::command();
    command.build();
    command.clone().debug_assert();
    for arg in command.get_arguments().filter(|arg| !arg.get_action().takes_values()) {
        let Some(long) = arg.get_long().filter(|&long| long != "help") else { continue };
        let needs_file = ["resume", "force"].contains(&long);
        let with_needed = format!("--{long}{}", if needs_file { " --output x.jsonl" } else { "" });
        args(&with_needed);
    }
}

#[test]
fn the_reference_command_line_reads_as_llama_bench_reads_it() {
    let line = "-m a.gguf -p 2048 -n 32 -d 0,4096,8192 -d 16384-32768+16384 -b 2048 -ub 2048 -fa 1 -lm none -ngl 99 -r 3 -pg 512,128";
    let read = args(line);
    assert_eq!(all(&read.tests.n_depth), [0, 4096, 8192, 16384, 32768]);
    assert_eq!((read.run.n_reps, read.tests.pg), (3, vec![(512, 128)]));
    assert_eq!(models(line), [ModelParams::default().n_gpu_layers(99).load_mode(LoadMode::None)]);
    assert_eq!(contexts(line), [ContextParams::default().n_ubatch(2048).flash_attn(FlashAttn::On)]);
    assert!(matches!((read.run.method, read.run.order), (MethodArg::Rewind, OrderArg::Auto)));
}

#[test]
fn without_flags_everything_is_as_the_library_has_it() {
    assert_eq!(models(""), [ModelParams::default()]);
    assert_eq!(contexts(""), [ContextParams::default()]);
    assert_eq!(contexts("--swa-full"), [ContextParams::default().swa_full(true)]);
}

/// The last flag of llama-bench's order changes from one combination to the next, whatever the order on the line.
#[test]
fn combinations_come_in_llama_benchs_order() {
    let line = "-ts 1,1/1 --repack 1,0 -ngl 0-2+2 -dev auto,none -mg 0,1 -lm mmap,none -ncmoe 0,1 -sm layer,row -ot ,a=CPU";
    let found = models(line);
    assert_eq!(found.len(), 512);
    let key = |p: &ModelParams| {
        (
            p.n_gpu_layers,
            p.n_cpu_moe,
            p.split_mode == SplitMode::Row,
            p.load_mode == LoadMode::None,
            p.main_gpu,
            p.no_devices,
            p.tensor_split.len(),
            p.tensor_buft_overrides.len(),
            !p.use_extra_bufts,
        )
    };
    assert!(found.is_sorted_by(|a, b| key(a) < key(b)));
    let line = "--prio 0,1 --poll 0,50 --cpu-strict 0,1 -C 0,1 -t 1,2 -fa 0,1 -nkvo 1,0 -ctv f32,f16 -ub 8,16 -b 32,64 -nopo 1,0 -embd 0,1";
    let found = contexts(line);
    assert_eq!(found.len(), 1 << 12);
    let key = |p: &ContextParams| {
        let pool = (p.n_threads, p.cpu_mask.len(), p.cpu_strict, p.poll, p.prio);
        let cache = (p.type_v == KvType::F16, p.offload_kqv, p.flash_attn == FlashAttn::On);
        (p.embeddings, p.op_offload, p.n_batch, p.n_ubatch, cache, pool)
    };
    assert!(found.is_sorted_by(|a, b| key(a) < key(b)));
}

#[test]
fn older_flags_of_loading_mean_what_they_meant_together() {
    let modes = |line| models(line).iter().map(|p| p.load_mode).collect::<Vec<_>>();
    assert_eq!(modes("-mmp 0 -dio 0"), [LoadMode::None]);
    assert_eq!(modes("-mmp 0,1 -dio 0"), [LoadMode::None, LoadMode::Mmap]);
    assert_eq!(modes("-mmp 1 -dio 1"), [LoadMode::DirectIo]);
    assert_eq!(modes("-lm mlock -mmp 0"), [LoadMode::Mlock, LoadMode::None]);
    assert_eq!(modes("--no-mmap"), [LoadMode::None]);
    assert!(parse("--no-mmap -mmp 1").is_err());
}

#[test]
fn a_fit_leaves_room_for_the_tests() {
    let fits =
        |line| models(line).iter().map(|p| p.fit.map(|fit| (fit.margin_mib, fit.n_ctx))).collect::<Vec<_>>();
    assert_eq!(fits("-fitt 100"), [Some((100, 4096))]);
    assert_eq!(fits("-fitt 100 -p 512 -n 0 -d 0,8192 -pg 600,8"), [Some((100, 8800))]);
    assert_eq!(fits("-fitt 100 -p 512 -d 8192 -npl 1,4"), [Some((100, 34816))]);
    assert_eq!(fits("-fitt 100 -p 512 -d 8192 -npl 1,4 -pps"), [Some((100, 10240))]);
    assert_eq!(fits("-fitt 0,9 -fitc 1,2"), [Some((0, 1)), Some((0, 2)), Some((9, 1)), Some((9, 2))]);
}
