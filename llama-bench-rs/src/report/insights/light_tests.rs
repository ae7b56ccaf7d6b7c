use std::time::Duration;

use super::*;
use crate::record::{
    Ceiling, CeilingKind, Ceilings, Config, DeviceWork, Disturbance, Header, Measured, Outcome, Product,
    Sample, pp, tg,
};

fn ceiling(kind: CeilingKind, data_type: &str, per_second: f64, n_columns: Option<u32>) -> Ceiling {
    let data_type = data_type.into();
    Ceiling {
        kind,
        data_type,
        n_columns,
        per_second,
        lower: per_second,
        upper: per_second,
        n: 9,
        ..Ceiling::default()
    }
}

/// 3 TB/s, 800 TFLOP/s in f16 and 300 in mxfp4, of which a batch of 128 columns reaches 122.
fn gpu() -> Ceilings {
    use CeilingKind::{Copy, Product};
    let rates = vec![
        ceiling(Copy, "f32", 3e12, None),
        ceiling(Product, "f16", 800e12, None),
        ceiling(Product, "mxfp4", 300e12, None),
        ceiling(Product, "mxfp4", 122e12, Some(128)),
        ceiling(Product, "mxfp4", 200e12, Some(512)),
    ];
    Ceilings { device: "CUDA0".into(), rates, ..Ceilings::default() }
}

fn cell(test: Test, weight_bytes: u64, flops: [u64; 2], ms: u64) -> Cell {
    let product = |(op, data_type, flops): (&str, &str, u64)| Product {
        op: op.into(),
        data_type: data_type.into(),
        n: 1,
        flops,
    };
    let products = [("MUL_MAT_ID", "mxfp4", flops[0]), ("MUL_MAT", "f16", flops[1])].map(product).to_vec();
    let device = DeviceWork { device: "CUDA0".into(), weight_bytes, products, ..DeviceWork::default() };
    let work =
        Some(CellWork { n_graphs: test.kind.n_tokens(), devices: vec![device], ..CellWork::default() });
    let samples = vec![Sample { elapsed: Duration::from_millis(ms), ..Sample::default() }; 2];
    let outcome = Outcome::Measured(Measured { samples, work, ..Measured::default() });
    Cell { test, started_at: String::new(), outcome }
}

fn said(ceilings: Vec<Ceilings>, n_ubatch: u32, cells: Vec<Cell>) -> Vec<(Level, String)> {
    with(Config { n_ubatch: Some(n_ubatch), ..Config::default() }, ceilings, cells)
}

fn with(config: Config, ceilings: Vec<Ceilings>, cells: Vec<Cell>) -> Vec<(Level, String)> {
    let run = Run { header: Header { ceilings, config, ..Header::default() }, cells, curve: Vec::new() };
    light(&run, &Series::all(&run)).iter().map(|it| (it.level(), it.to_string())).collect()
}

#[test]
fn a_generation_says_what_it_reaches_shallow_and_deep() {
    // 3 GB a token are 1 ms; 4 and 3 ms were measured, the latter with 6 GB.
    let cells = vec![cell(tg(4), 12 << 30, [1, 1], 16), cell(tg(4).at(4096), 24 << 30, [1, 1], 12)];
    let said = said(vec![gpu()], 512, cells);
    assert_eq!(
        said,
        [(
            Level::Note,
            "Generation (tg4) is bound by memory and reaches 26.8 % of the speed of light: 1.07 ms of 4.00 ms a token, and \
             71.6 % at depth 4096 (2.15 ms of 3.00 ms); neither memory nor arithmetic explains the rest \
             (--profile shows where it goes)."
                .to_owned()
        )]
    );
}

#[test]
fn a_prompt_names_its_products_a_slow_type_and_a_small_batch() {
    // 30 TFLOP of mxfp4 are 100 ms, 8 of f16 10 ms.
    let cells = vec![cell(pp(2048), 1000, [30_000_000_000_000, 8_000_000_000_000], 550)];
    let said: Vec<String> = said(vec![gpu()], 128, cells).into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        said,
        [
            "Prompt processing (pp2048) is bound by arithmetic (mul_mat_id of mxfp4; mul_mat of f16) and reaches 20.0 % of \
             the speed of light: 110 ms of 550 ms; neither memory nor arithmetic explains the rest \
             (--profile shows where it goes).",
            "n_ubatch 128 reaches 61.0 % of the matrix rate that 512 reaches (122 TFLOP/s against 200 TFLOP/s, mxfp4 on \
             CUDA0): try -ub 512.",
            "Products of mxfp4 reach 300 TFLOP/s on CUDA0, those of f16 800 TFLOP/s: another type of weights may process \
             prompts faster.",
        ]
    );
}

/// What the first sentence of a generation says, after a change of its cell.
fn reached(ceilings: Ceilings, change: impl Fn(&mut Measured)) -> String {
    let mut cell = cell(tg(4), 12 << 30, [1, 1], 16);
    let Outcome::Measured(measured) = &mut cell.outcome else { panic!("it is measured") };
    change(measured);
    said(vec![ceilings], 512, vec![cell]).swap_remove(0).1
}

#[test]
fn the_rest_is_not_explained_of_a_disturbed_or_uncertain_cell() {
    const REST: &str = "neither memory nor arithmetic explains the rest";
    let waited = |waited: u64| {
        reached(gpu(), |measured| {
            let waited = Some(Duration::from_millis(waited));
            let disturbance = Disturbance { n_threads: Some(1), waited, ..Disturbance::default() };
            measured.samples[1].disturbance = Some(disturbance);
        })
    };
    assert!(waited(0).contains(REST), "{}", waited(0));
    assert!(waited(8).ends_with(" 4.00 ms a token."), "{}", waited(8));
    let apart = reached(gpu(), |measured| measured.samples[1].elapsed *= 2);
    assert!(apart.ends_with(" a token."), "{apart}");
}

#[test]
fn the_rest_is_not_explained_by_a_share_that_may_be_high() {
    let mut own = gpu();
    own.rates[0].lower = 1e12;
    let text = reached(own, |_| {});
    assert!(text.contains("reaches 26.8 % to 80.5 % of the speed of light"), "{text}");
    assert!(text.ends_with(" a token."), "{text}");
}

#[test]
fn a_share_without_some_arithmetic_is_a_lower_bound() {
    let text = reached(gpu(), |measured| {
        let work = measured.work.as_mut().expect("it is counted");
        work.uncounted.insert("RWKV_WKV7".into(), 24);
    });
    assert_eq!(
        text,
        "Generation (tg4) is bound by memory and reaches at least 26.8 % of the speed of light: 1.07 ms of 4.00 ms a \
         token; the arithmetic of RWKV_WKV7 is not counted."
    );
}

#[test]
fn a_physical_batch_cannot_be_larger_than_the_logical_one() {
    let cells = vec![cell(pp(2048), 1000, [30_000_000_000_000, 8_000_000_000_000], 550)];
    let config = Config { n_ubatch: Some(128), n_batch: Some(256), ..Config::default() };
    let said = with(config, vec![gpu()], cells);
    assert!(said.iter().any(|(_, text)| text.ends_with(": try -b 512 -ub 512.")), "{said:?}");
}

#[test]
fn a_cell_above_the_speed_of_light_is_a_warning() {
    // 3 GB take 1.07 ms.
    let cells = vec![cell(tg(1), 3 << 30, [1, 1], 1), cell(tg(1).at(64), 3 << 20, [1, 1], 1)];
    let said = said(vec![gpu()], 512, cells);
    let (level, text) = &said[0];
    assert_eq!(*level, Level::Warning);
    assert!(
        text.starts_with("1 cell is above 100 % of the speed of light, most of all tg1 with 107 %"),
        "{text}"
    );
    assert!(text.contains("--renew-ceilings"), "{text}");
    assert!(said[1].1.contains("(tg1 @ d64)"), "the other cell is told: {said:?}");
}

#[test]
fn without_ceilings_nothing_is_said_and_without_work_why() {
    let cells = vec![cell(tg(1), 3 << 30, [1, 1], 2)];
    assert_eq!(said(Vec::new(), 512, cells.clone()), []);
    let other = Ceilings { device: "CUDA1".into(), ..gpu() };
    let said = said(vec![other], 512, cells);
    let [(Level::Note, text)] = &said[..] else { panic!("{said:?}") };
    assert!(
        text.contains("1 cell is not known, first of tg1: the ceilings of CUDA0 were not measured"),
        "{text}"
    );
}
