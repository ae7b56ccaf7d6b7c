use super::*;
use crate::record::{CellWork, Measured, Outcome, Product, Sample, Test, TestKind};

fn ceiling(kind: CeilingKind, data_type: &str, per_second: f64) -> Ceiling {
    let (lower, upper) = (per_second * 0.8, per_second);
    Ceiling { kind, data_type: data_type.into(), per_second, lower, upper, n: 9, ..Ceiling::default() }
}

/// 100 bytes and 1000 operations per second, f16 only half as many.
fn ceilings(device: &str) -> Ceilings {
    let rates = vec![
        ceiling(CeilingKind::Copy, "f32", 90.0),
        ceiling(CeilingKind::Read, "f16", 100.0),
        Ceiling { matrix_bytes: Some(64), ..ceiling(CeilingKind::Read, "f16", 400.0) },
        Ceiling { matrix_bytes: Some(200), ..ceiling(CeilingKind::Read, "f16", 200.0) },
        ceiling(CeilingKind::Product, "q4_K", 1000.0),
        ceiling(CeilingKind::Product, "f16", 500.0),
    ];
    Ceilings { device: device.into(), rates, ..Ceilings::default() }
}

fn product(op: &str, data_type: &str, flops: u64) -> Product {
    Product { op: op.into(), data_type: data_type.into(), n: 1, flops }
}

fn device(name: &str, weight_bytes: u64, products: Vec<Product>) -> DeviceWork {
    DeviceWork { device: name.into(), weight_bytes, products, ..DeviceWork::default() }
}

fn cell(kind: TestKind, n_graphs: u32, devices: Vec<DeviceWork>, seconds: &[f64]) -> Cell {
    let sample = |&s: &f64| Sample { elapsed: Duration::from_secs_f64(s), ..Sample::default() };
    let work = Some(CellWork { n_graphs, devices, ..CellWork::default() });
    let measured = Measured { samples: seconds.iter().map(sample).collect(), work, ..Measured::default() };
    Cell { test: Test::from(kind), started_at: String::new(), outcome: Outcome::Measured(measured) }
}

fn header(ceilings: Vec<Ceilings>) -> Header {
    Header { ceilings, ..Header::default() }
}

#[test]
fn a_generation_is_bound_by_its_bytes_and_told_per_token() {
    // Four tokens of 1000 bytes each: 10 s each at 100 bytes per second; 20 s were measured.
    let work = device("GPU", 4000, vec![product("MUL_MAT", "q4_K", 400)]);
    let cell = cell(TestKind::Tg(4), 4, vec![work], &[80.0, 80.0]);
    let light = header(vec![ceilings("GPU")]).light_of(&cell).unwrap().unwrap();
    assert_eq!((light.floor, light.time), (Duration::from_secs(10), Duration::from_secs(20)));
    assert_eq!((light.share, light.binds, &light.device[..]), (0.5, Binds::Memory, "GPU"));
    // The ceilings' lower ends are at 80 %.
    assert!((light.share_bounds.upper() - 0.5 / 0.8).abs() < 1e-12, "{light:?}");
    assert_eq!(light.share_bounds.lower(), 0.5);
    let [part] = &light.parts[..] else { panic!("{light:?}") };
    assert_eq!(part.by_flops, Duration::from_millis(100));
}

#[test]
fn a_disturbed_ceiling_leaves_the_lower_end_open() {
    let work = device("GPU", 4000, vec![]);
    let cell = cell(TestKind::Tg(4), 4, vec![work], &[20.0, 20.0]);
    let mut all = ceilings("GPU");
    let light = |all: &Ceilings| header(vec![all.clone()]).light_of(&cell).unwrap().unwrap();
    let quiet = light(&all);
    assert_eq!((quiet.share, quiet.share_bounds.lower()), (2.0, 2.0));
    assert!(crate::judge::is_impossible(&quiet));
    // The copies are slower than the reads, as far as that is known.
    all.rates[0].disturbed = Some(true);
    let busy = light(&all);
    assert_eq!((busy.share, busy.share_bounds.lower(), busy.share_bounds.upper()), (2.0, 0.0, 2.0 / 0.8));
    assert!(!crate::judge::is_impossible(&busy), "the machine may do more");
    all.rates[0].disturbed = Some(false);
    assert_eq!(light(&all), quiet);
}

#[test]
fn products_count_by_their_types_and_attention_by_the_best() {
    // 2 s of q4_K, 2 s of f16, 1 s of attention on keys of f16 at the rate of q4_K.
    let products = vec![
        product("MUL_MAT", "q4_K", 2000),
        product("MUL_MAT", "f16", 1000),
        product("FLASH_ATTN_EXT", "f16", 1000),
    ];
    let one = cell(TestKind::Pp(8), 1, vec![device("GPU", 300, products)], &[10.0]);
    let light = header(vec![ceilings("GPU")]).light_of(&one).unwrap().unwrap();
    assert_eq!((light.floor, light.binds), (Duration::from_secs(5), Binds::Arithmetic));
    assert_eq!(light.share, 0.5);
    // A type without a ceiling does not count as slow.
    let unknown = vec![product("MUL_MAT", "iq1_s", 2000)];
    let other = cell(TestKind::Pp(8), 1, vec![device("GPU", 1, unknown)], &[10.0]);
    let light = header(vec![ceilings("GPU")]).light_of(&other).unwrap().unwrap();
    assert_eq!(light.floor, Duration::from_secs(2));
}

#[test]
fn floors_of_devices_add_up() {
    let first = device("GPU", 1000, vec![product("MUL_MAT", "q4_K", 1000)]);
    let second = device("CPU", 600, vec![product("MUL_MAT", "q4_K", 30_000)]);
    let cell = cell(TestKind::Pp(8), 1, vec![first, second], &[80.0]);
    let light = header(vec![ceilings("CPU"), ceilings("GPU")]).light_of(&cell).unwrap().unwrap();
    // 10 s by bytes on one, 30 s by arithmetic on the other.
    assert_eq!((light.floor, light.share), (Duration::from_secs(40), 0.5));
    assert_eq!((light.binds, &light.device[..]), (Binds::Arithmetic, "CPU"));
}

#[test]
fn floors_of_devices_that_may_overlap_do_not_add_up() {
    let devices = || vec![device("GPU", 1000, Vec::new()), device("CPU", 3000, Vec::new())];
    let floor = |kind, n_graphs| {
        let cell = cell(kind, n_graphs, devices(), &[80.0]);
        header(vec![ceilings("CPU"), ceilings("GPU")]).light_of(&cell).unwrap().unwrap().floor
    };
    // 10 s on one and 30 s on the other: physical batches of a prompt overlap, a single one and steps do not.
    assert_eq!(floor(TestKind::Pp(8), 2), Duration::from_secs(30));
    assert_eq!(floor(TestKind::Pp(8), 1), Duration::from_secs(40));
    assert_eq!(floor(TestKind::Tg(1), 1), Duration::from_secs(40));
}

#[test]
fn a_ceiling_that_no_time_follows_from_is_passed_over() {
    let mut own = ceilings("GPU");
    for (rate, value) in own.rates.iter_mut().zip([0.0, f64::NAN, -1.0, f64::INFINITY]) {
        rate.lower = value;
    }
    assert_eq!(own.bandwidth(1 << 40), None);
    assert_eq!(own.product("q4_K").unwrap().per_second, 1000.0);
}

#[test]
fn a_ceiling_that_contradicts_itself_is_not_sound() {
    let ceiling = |lower: f64, per_second: f64, upper: f64| Ceiling {
        lower,
        per_second,
        upper,
        ..ceiling(CeilingKind::Copy, "f32", 1.0)
    };
    for (lower, per_second, upper) in [(1.0, 1.0, 1.0), (80.0, 90.0, 100.0), (1e12, 2e12, 3e12)] {
        assert!(ceiling(lower, per_second, upper).is_sound(), "{lower} {per_second} {upper}");
    }
    for (lower, per_second, upper) in [
        (300.0, 100.0, 100.0),
        (100.0, 200.0, 100.0),
        (100.0, 1.0, 100.0),
        (1e300, 1e300, 1e300),
        (1e-300, 1e-300, 1e-300),
        (f64::NAN, 1.0, 1.0),
        (1.0, f64::NAN, 1.0),
        (1.0, 1.0, f64::INFINITY),
    ] {
        assert!(!ceiling(lower, per_second, upper).is_sound(), "{lower} {per_second} {upper}");
    }
}

#[test]
fn ceilings_that_contradict_themselves_give_a_reason_and_no_share() {
    let cell = cell(TestKind::Pp(8), 1, vec![device("GPU", 1000, Vec::new())], &[80.0]);
    for rate in [1e-300, 1e300] {
        let mut own = ceilings("GPU");
        own.rates[1] = ceiling(CeilingKind::Read, "f16", rate);
        let unknown = header(vec![own]).light_of(&cell).unwrap().unwrap_err();
        assert_eq!(unknown, LightUnknown::UnsoundCeilings("GPU".into()));
        assert!(unknown.to_string().contains("the ceilings of GPU contradict themselves"), "{unknown}");
    }
}

#[test]
fn what_is_listed_twice_or_empty_gives_a_reason_and_no_share() {
    let of = |devices: Vec<DeviceWork>, ceilings: Vec<Ceilings>| {
        let cell = cell(TestKind::Pp(8), 1, devices, &[80.0]);
        header(ceilings).light_of(&cell).unwrap().unwrap_err()
    };
    let work = || device("GPU", 1000, Vec::new());
    let twice = LightUnknown::Twice("GPU".into());
    assert_eq!(of(vec![work(), work()], vec![ceilings("GPU")]), twice);
    assert_eq!(of(vec![work()], vec![ceilings("GPU"), ceilings("GPU")]), twice);
    let nothing = device("GPU", 0, vec![product("MUL_MAT", "q4_K", 0)]);
    assert_eq!(of(vec![nothing], vec![ceilings("GPU")]), LightUnknown::EmptyWork);
    assert_eq!(of(Vec::new(), vec![ceilings("GPU")]), LightUnknown::EmptyWork);
}

#[test]
fn a_share_is_finite_or_unknown_whatever_a_file_says() {
    // As much work as a file can hold, at the slowest ceilings: longer than a duration can be.
    let work = || device("GPU", u64::MAX, vec![product("MUL_MAT", "q4_K", u64::MAX); 3]);
    let rates = vec![ceiling(CeilingKind::Copy, "f32", 1.25), ceiling(CeilingKind::Product, "q4_K", 1.25)];
    let own = Ceilings { device: "GPU".into(), rates, ..Ceilings::default() };
    let cell = cell(TestKind::Pp(8), 1, vec![work()], &[1e-9]);
    assert_eq!(header(vec![own]).light_of(&cell).unwrap(), Err(LightUnknown::NotFinite));
}

#[test]
fn uncounted_operations_are_named() {
    let mut cell = cell(TestKind::Pp(8), 1, vec![device("GPU", 1000, Vec::new())], &[80.0]);
    let Outcome::Measured(Measured { work: Some(work), .. }) = &mut cell.outcome else { panic!() };
    work.uncounted.insert("RWKV_WKV7".into(), 24);
    let light = header(vec![ceilings("GPU")]).light_of(&cell).unwrap().unwrap();
    assert_eq!(light.uncounted, ["RWKV_WKV7"]);
}

#[test]
fn what_fits_into_a_cache_is_not_bound_by_the_memory() {
    let rate = |n_bytes| ceilings("CPU").bandwidth(n_bytes).unwrap().per_second;
    assert_eq!([1, 64, 199, 200, 799].map(rate), [400.0, 400.0, 400.0, 200.0, 200.0]);
    assert_eq!([800, 1 << 40].map(rate), [100.0, 100.0]);
    // A graph of 100 bytes is read from a cache, ten times.
    let cell = cell(TestKind::Tg(10), 10, vec![device("CPU", 1000, Vec::new())], &[100.0]);
    let light = header(vec![ceilings("CPU")]).light_of(&cell).unwrap().unwrap();
    assert_eq!(light.floor, Duration::from_millis(250));
}

#[test]
fn what_is_not_known_is_said() {
    let known = cell(TestKind::Pp(8), 1, vec![device("GPU", 1000, Vec::new())], &[80.0]);
    assert_eq!(Header::default().light_of(&known), None, "no ceilings");
    let unknown = header(vec![ceilings("CPU")]).light_of(&known).unwrap().unwrap_err();
    assert_eq!(unknown, LightUnknown::NoCeilings("GPU".into()));
    assert!(unknown.to_string().contains("the ceilings of GPU"));
    // The rows of a few tokens are read on the CPU.
    let rows = device("CPU", 1, Vec::new());
    let small = cell(TestKind::Pp(8), 1, vec![rows, device("GPU", 100_000, Vec::new())], &[8000.0]);
    assert_eq!(header(vec![ceilings("GPU")]).light_of(&small).unwrap().unwrap().parts.len(), 1);
    let mut uncounted = known.clone();
    if let Outcome::Measured(measured) = &mut uncounted.outcome {
        measured.work = None;
    }
    assert_eq!(header(vec![ceilings("GPU")]).light_of(&uncounted).unwrap(), Err(LightUnknown::NoWork(None)));
    let no_rates = header(vec![Ceilings { device: "GPU".into(), ..Ceilings::default() }]);
    assert_eq!(no_rates.light_of(&known).unwrap(), Err(LightUnknown::NoCeilings("GPU".into())));
}
