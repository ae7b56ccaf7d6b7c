//! llama-batched-bench's lines: what this crate writes, and what it reads of llama-batched-bench itself.

mod report_support;

use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::{self, FileSink, Format, ReportError, Sink, read_str},
    with,
};
use report_support::{assorted, reference};
use serde_json::{Map, Value};

const THEIRS: [&str; 18] = [
    "n_kv_max",
    "n_batch",
    "n_ubatch",
    "flash_attn",
    "is_pp_shared",
    "n_gpu_layers",
    "n_threads",
    "n_threads_batch",
    "pp",
    "tg",
    "pl",
    "n_kv",
    "t_pp",
    "speed_pp",
    "t_tg",
    "speed_tg",
    "t",
    "speed",
];

/// Two repetitions, the second one 2 ms longer.
fn cell(test: Test, ms: u64) -> Cell {
    let sample = |ms| with!(Sample { elapsed: Duration::from_millis(ms), ..Sample::default() });
    let samples = vec![sample(ms), sample(ms + 2)];
    let outcome = Outcome::Measured(with!(Measured { samples, ..Measured::default() }));
    Cell { test, started_at: String::new(), outcome }
}

/// The reference run's header over these cells.
fn run(is_shared: bool, cells: Vec<Cell>) -> Run {
    let mut header = reference().runs[0].header.clone();
    header.config.kv_unified = Some(is_shared);
    header.config.n_reps = Some(2);
    Run { header, cells, curve: Vec::new() }
}

fn lines(run: Run) -> Vec<Map<String, Value>> {
    let text = report::to_string(&Report { runs: vec![run] }, Format::BatchedBench).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Some fields of each line, null if there is no such field.
fn told<const N: usize>(lines: &[Map<String, Value>], names: [&str; N]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| names.map(|name| line.get(name).cloned().unwrap_or_default()).to_vec().into())
        .collect()
}

/// What a line is of, and whether its halves have times.
fn shapes(lines: &[Map<String, Value>]) -> Vec<String> {
    let number = |line: &Map<String, Value>, name: &str| line[name].as_u64().unwrap();
    let shape = |line: &Map<String, Value>| {
        let [depth, pp, tg, pl, n_kv] = ["n_depth", "pp", "tg", "pl", "n_kv"].map(|name| number(line, name));
        let shared = if number(line, "is_pp_shared") == 1 { " shared" } else { "" };
        let of = |name: &str| if line[name].is_null() { "-" } else { "+" };
        format!("d{depth} pp{pp}{} tg{tg}{} x{pl} kv{n_kv}{shared}", of("t_pp"), of("t_tg"))
    };
    lines.iter().map(shape).collect()
}

#[test]
fn a_line_begins_with_llama_batched_benchs_fields_in_its_order() {
    let pair = pg(512, 16);
    let cells = vec![cell(pair.prompt().parallel(4), 1000), cell(pair.generation().parallel(4), 200)];
    let report = Report { runs: vec![run(false, cells)] };
    let text = report::to_string(&report, Format::BatchedBench).unwrap();
    assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
    let places: Vec<usize> = THEIRS.iter().map(|name| text.find(&format!("\"{name}\": ")).unwrap()).collect();
    assert!(
        text.starts_with("{\"n_kv_max\": 34816, \"n_batch\": 2048, \"n_ubatch\": 2048, \"flash_attn\": 1, "),
        "{text}"
    );
    assert!(places.is_sorted(), "{places:?}");
    assert!(text.find("\"schema_version\"") > places.last().copied(), "this crate's own come behind them");
    let line: Map<String, Value> = serde_json::from_str(&text).unwrap();
    let close = |name: &str, expected: f64| {
        let got = line[name].as_f64().unwrap();
        assert!((got / expected - 1.0).abs() < 1e-6, "{name}: {got} instead of {expected}");
    };
    close("t_pp", 1.001);
    close("t_tg", 0.201);
    close("t", 1.202);
    close("speed_pp", f64::midpoint(2048.0 / 1.0, 2048.0 / 1.002));
    close("speed_tg", f64::midpoint(64.0 / 0.2, 64.0 / 0.202));
    close("speed", (2048.0 + 64.0) / 1.202);
    close("speed_tg_per_sequence", f64::midpoint(16.0 / 0.2, 16.0 / 0.202));
    close("t_pp_stddev", 0.001 * 2f64.sqrt());
    assert_eq!(line["is_pg"], Value::Bool(true));
    assert_eq!(line["model_filename"], "models/gpt-oss-20b-Q4_K_M.gguf");
}

#[test]
fn the_halves_of_a_line_are_found_in_any_order() {
    let pair = pg(8, 4);
    let own = vec![
        cell(tg(4).parallel(2).at(8), 5),
        cell(pp(8), 3),
        cell(pp(8).parallel(2), 6),
        cell(pair.generation().parallel(2), 5),
        cell(pair.prompt().parallel(2), 6),
        cell(pair.prompt().at(16), 6),
        cell(pair.generation().at(16), 6),
        cell(tg(4).at(8), 2),
        cell(tg(2).parallel(2).at(8), 2),
        // They have no other half: another depth, another number of sequences.
        cell(tg(4).parallel(2), 5),
        cell(pp(8).parallel(2).at(8), 6),
        cell(tg(4).parallel(3).at(8), 5),
    ];
    assert_eq!(
        shapes(&lines(run(false, own))),
        [
            "d0 pp8+ tg4+ x2 kv24",
            "d0 pp8+ tg4+ x2 kv24",
            "d16 pp8+ tg4+ x1 kv28",
            "d0 pp8+ tg4+ x1 kv12",
            "d0 pp8+ tg2+ x2 kv20",
            "d0 pp0- tg4+ x2 kv8",
            "d8 pp8+ tg0- x2 kv32",
            "d0 pp8- tg4+ x3 kv36",
        ]
    );
}

#[test]
fn a_shared_prefix_is_processed_once() {
    let cells = vec![cell(pp(8), 3), cell(tg(4).parallel(4).at(8), 5), cell(pp(8).parallel(4), 9)];
    let found = lines(run(true, cells));
    assert_eq!(shapes(&found), ["d0 pp8+ tg4+ x4 kv24 shared", "d0 pp8+ tg0- x4 kv32"]);
    let speed = (8.0 + 16.0) / 0.010;
    assert!((found[0]["speed"].as_f64().unwrap() - speed).abs() < 1e-6, "{found:?}");
}

#[test]
fn what_failed_is_null_with_the_reason() {
    let failed = |test: Test| Cell { test, ..report_support::failed(TestKind::Pp(1), 0) };
    let found = lines(run(false, vec![cell(pp(8).parallel(4), 3), failed(tg(4).parallel(4).at(8))]));
    assert_eq!(shapes(&found), ["d0 pp8+ tg4- x4 kv48"]);
    let told = told(&found, ["speed_tg", "t", "speed", "error_pp"]);
    assert_eq!(told, [Value::from(vec![Value::Null; 4])]);
    assert_eq!(found[0]["error_tg"]["kind"], "out_of_memory");
}

/// The samples, and what is known of the runs before they start, the cells in order.
fn comparable(report: &Report) -> Vec<Run> {
    let run = |run: &Run| {
        let Header { build, config, model, host, resolved, .. } = run.header.clone();
        let bare =
            |cell: &Cell| Cell { outcome: bare(&cell.outcome), started_at: String::new(), ..cell.clone() };
        let mut cells: Vec<Cell> = run.cells.iter().map(bare).collect();
        cells.sort_by_key(|cell| cell.test);
        let header = with!(Header { build, config, model, host, resolved, ..Header::default() });
        Run { header, cells, curve: Vec::new() }
    };
    report.runs.iter().map(run).collect()
}

/// Without what the format has no place for.
fn bare(outcome: &Outcome) -> Outcome {
    let Outcome::Measured(measured) = outcome else { return outcome.clone() };
    let bare = |sample: &Sample| with!(Sample { elapsed: sample.elapsed, ..Sample::default() });
    let samples = measured.samples.iter().map(bare).collect();
    Outcome::Measured(with!(Measured { samples, ..Measured::default() }))
}

#[test]
fn a_report_comes_back_with_every_cell_and_repetition() {
    let pair = pg(8, 4);
    let failed = Cell { test: tg(4).parallel(9).at(8), ..report_support::failed(TestKind::Pp(1), 0) };
    let cells = [1, 2, 4].into_iter().flat_map(|n| {
        let tests = [
            pp(8),
            tg(4).at(8),
            tg(2).at(8),
            tg(4),
            pair.prompt(),
            pair.generation(),
            embd(8),
            pp(16).at(64),
        ];
        tests.map(|test| cell(test.parallel(n), u64::from(10 * n)))
    });
    let cells: Vec<Cell> = cells.chain([failed]).collect();
    let mut report = Report { runs: vec![run(false, cells.clone()), run(false, cells.clone())] };
    report.runs.push(run(
        true,
        vec![cell(pp(8), 3), cell(tg(4).parallel(4).at(8), 5), cell(tg(4).parallel(2).at(8), 5)],
    ));
    report.runs.extend(assorted().runs);
    let text = report::to_string(&report, Format::BatchedBench).unwrap();
    let read = read_str(&text).unwrap().report;
    assert_eq!(comparable(&read), comparable(&report));
    // Two files of one run, one behind the other, stay two runs.
    let both = report::to_string(&reference(), Format::BatchedBench).unwrap();
    let mut later = reference();
    later.runs[0].header.timing.started_at = "2025-11-04T00:00:00Z".into();
    let both = both + &report::to_string(&later, Format::BatchedBench).unwrap();
    let n_cells: Vec<usize> =
        read_str(&both).unwrap().report.runs.iter().map(|run| run.cells.len()).collect();
    assert_eq!(n_cells, [10, 10]);
}

#[test]
fn a_file_has_every_cell_whenever_the_process_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.batched-bench");
    let run = run(
        false,
        vec![cell(pp(8).parallel(2), 3), cell(tg(4), 5), cell(tg(4).parallel(2).at(8), 5), cell(pp(9), 1)],
    );
    let mut sink = FileSink::create("batched-bench".parse().unwrap(), &path).unwrap();
    sink.begin(&run.header).unwrap();
    for (n, cell) in (1..).zip(&run.cells) {
        sink.cell(&run.header, cell).unwrap();
        assert_eq!(report::read_file(&path).unwrap().report.cells().count(), n);
    }
    sink.finish().unwrap();
    assert_eq!(report::read_file(&path).unwrap().report.cells().count(), 4);
    // A stream has a line as soon as its halves are there.
    let mut stream = Sink::new(Format::BatchedBench, Vec::new());
    stream.begin(&run.header).unwrap();
    run.cells[..3].iter().for_each(|cell| stream.cell(&run.header, cell).unwrap());
    assert_eq!(String::from_utf8(stream.finish().unwrap()).unwrap().lines().count(), 2);
}

/// As llama-batched-bench prints it, between the blank lines around it.
const OF_THEIRS: &str = include_str!("fixtures/llama-batched-bench.jsonl");

fn tests(run: &Run) -> Vec<String> {
    run.cells.iter().map(|cell| format!("{} {:.0}", cell.test, cell.throughput().unwrap().get())).collect()
}

#[test]
fn lines_of_llama_batched_bench_are_pg_tests() {
    let report = read_str(OF_THEIRS).unwrap().report;
    let [run] = &report.runs[..] else { panic!("{} runs", report.runs.len()) };
    assert_eq!(
        tests(run),
        [
            "pp128 (pg128+32) 1280",
            "tg32 @ d128 (pg128+32) 100",
            "pp128 x4 (pg128+32) 1313",
            "tg32 x4 @ d128 (pg128+32) 200",
        ]
    );
    let Header { config, resolved, .. } = &run.header;
    assert_eq!((config.n_ubatch, config.n_threads_batch, resolved.n_ctx), (Some(512), Some(2), Some(4096)));
    assert_eq!((config.method, config.n_reps), (Some(Method::FreshContext), Some(1)));
    assert_eq!((config.flash_attn, config.kv_unified), (Some(FlashAttnSetting::Auto), None));
    // Every format holds them, the array of `jq -s` too.
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        assert_eq!(
            read_str(&report::to_string(&report, format).unwrap()).unwrap().report,
            report,
            "{format}"
        );
    }
    let array = format!("[{}]", OF_THEIRS.trim().replace("}\n", "},\n"));
    assert_eq!(read_str(&array).unwrap().report, report);
    let table = report::to_string(&report, Format::Markdown).unwrap();
    assert!(table.contains("| tg32 x4 @ d128 (pg128+32) |") && table.contains(" 200.00 |"), "{table}");
}

#[test]
fn rounds_of_llama_batched_bench_are_runs() {
    let again = OF_THEIRS.replace("0.320000", "0.330000");
    let other = OF_THEIRS.replace("\"n_ubatch\": 512", "\"n_ubatch\": 64");
    let report = read_str(&format!("{OF_THEIRS}{again}{other}")).unwrap().report;
    let n_cells: Vec<usize> = report.runs.iter().map(|run| run.cells.len()).collect();
    assert_eq!(n_cells, [4, 4, 4]);
    let table = report::between_runs_markdown(&report);
    assert!(table.contains("| tg32 x4 @ d128 (pg128+32) | 2 | 200.00 ("), "{table}");
    assert!(table.contains("| tg32 @ d128 (pg128+32) | 2 | 98.47 ("), "{table}");
}

#[test]
fn a_shared_prefix_of_llama_batched_bench_is_the_prompt_of_one_sequence() {
    let shared = OF_THEIRS.replace("\"is_pp_shared\": 0", "\"is_pp_shared\": 1");
    let unified = read_str(&shared.replace("\"n_kv\": 640", "\"n_kv\": 256")).unwrap().report;
    let [run] = &unified.runs[..] else { panic!("{} runs", unified.runs.len()) };
    assert_eq!(tests(run), ["pp128 522", "tg32 @ d128 100", "tg32 x4 @ d128 200"], "256 tokens in 0.49 s");
    assert_eq!(run.cells[0].measured().unwrap().samples.len(), 2, "every line measures the prompt");
    assert_eq!(run.header.config.kv_unified, Some(true));
    // Without -kvu the prefix is copied, and there is room for it in each sequence.
    let copied = read_str(&shared).unwrap().report;
    assert_eq!(copied.runs.len(), 1);
    assert_eq!(copied.runs[0].header.config.kv_unified, Some(false));
}

#[test]
fn a_generation_of_nothing_is_not_measured() {
    let nothing = OF_THEIRS
        .replace("\"tg\": 32", "\"tg\": 0")
        .replace("\"speed_tg\": 100.000000", "\"speed_tg\": -nan");
    let report = read_str(&nothing).unwrap().report;
    assert_eq!(tests(&report.runs[0]), ["pp128 1280", "pp128 x4 1313"]);
}

#[test]
fn what_is_wrong_with_a_line_is_named_with_its_place() {
    let refused = |from: &str, to: &str| read_str(&OF_THEIRS.replacen(from, to, 1)).unwrap_err().to_string();
    let said = refused("\"pl\": 4", "\"pl\": 0");
    assert_eq!(said, "line 3: field `pl` holds 0, but must hold a whole number, 1 or more");
    assert!(refused("\"tg\": 32", "\"tg\": -1").contains("line 2: field `tg` holds -1"));
    assert!(
        refused("0.100000", "\"fast\"")
            .contains("field `t_pp` holds \"fast\", but must hold a time in seconds")
    );
    assert!(refused("\"flash_attn\": -1", "\"flash_attn\": 9").contains("flash_attn"));
    let newer = OF_THEIRS.replacen("{", "{\"schema_version\": 99, ", 1);
    assert!(matches!(read_str(&newer), Err(ReportError::NewerSchema { found: 99, .. })));
    let cut = &OF_THEIRS[..OF_THEIRS.len() - 40];
    assert!(read_str(cut).unwrap_err().to_string().contains("line 3"));
}

const TABLE: &str = "
main: n_kv_max = 4096, n_batch = 2048, n_ubatch = 512, flash_attn = -1, is_pp_shared = 0, is_tg_separate = 0, n_gpu_layers = -1, n_threads = 2, n_threads_batch = 2

|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|
|   128 |     32 |    1 |    160 |    0.100 |  1280.00 |    0.320 |   100.00 |    0.420 |   380.95 |
|   128 |     32 |    4 |    640 |    0.390 |  1312.82 |    0.640 |   200.00 |    1.030 |   621.36 |

llama_perf_context_print:        load time =     100.00 ms
";

#[test]
fn llama_batched_benchs_table_holds_the_same() {
    let (table, lines) = (read_str(TABLE).unwrap().report, read_str(OF_THEIRS).unwrap().report);
    assert_eq!(table.runs.len(), 1);
    assert_eq!(table.runs[0].header, lines.runs[0].header);
    assert_eq!(tests(&table.runs[0]), tests(&lines.runs[0]));
    let twice = read_str(&TABLE.repeat(2)).unwrap().report;
    assert_eq!(twice.runs.len(), 2);
    let separate = TABLE.replace("is_tg_separate = 0", "is_tg_separate = 1");
    assert!(read_str(&separate).unwrap_err().to_string().contains("line 6: field `is_tg_separate` holds 1"));
    let odd = TABLE.replace("|    0.640 |", "|     slow |");
    assert!(read_str(&odd).unwrap_err().to_string().contains("line 7: field `t_tg` holds slow"));
}
