use std::time::Duration;

use super::*;
use crate::{
    record::{FlashAttnSetting, Method},
    stats::StoppingRule,
};

fn with(change: impl Fn(&mut Header)) -> Header {
    let config = Config { n_batch: Some(2048), n_ubatch: Some(512), warmup: Some(true), ..Config::default() };
    let mut header = Header { config, ..Header::default() };
    header.model.filename = "/models/a.gguf".into();
    header.model.description = "llama 1B Q4_0".into();
    change(&mut header);
    header
}

fn names(headers: &[Header]) -> Vec<String> {
    configuration_names(&headers.iter().collect::<Vec<_>>())
}

fn flags(headers: &[Header]) -> Vec<String> {
    let all = settings(&headers.iter().collect::<Vec<_>>());
    all.iter().map(|of| of.iter().flat_map(|one| one.flags.clone()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn names_have_what_differs_in_llama_benchs_short_names() {
    let headers = [
        with(|_| {}),
        with(|h| h.config.n_ubatch = Some(1024)),
        with(|h| (h.config.n_ubatch, h.config.flash_attn) = (Some(1024), Some(FlashAttnSetting::On))),
    ];
    assert_eq!(names(&headers), ["ub 512", "ub 1024", "ub 1024 fa 1"]);
    assert_eq!(flags(&headers), ["-ub 512", "-ub 1024", "-ub 1024 -fa 1"]);
    assert_eq!(names(&headers[..1]), [""]);
    assert_eq!(names(&[with(|_| {}), with(|_| {})]), ["", ""]);
}

#[test]
fn the_threads_of_a_batch_are_named_only_if_they_are_others() {
    let threads =
        |n, batch| with(|h| (h.config.n_threads, h.config.n_threads_batch) = (Some(n), Some(batch)));
    assert_eq!(names(&[threads(2, 2), threads(4, 4)]), ["t 2", "t 4"]);
    assert_eq!(names(&[threads(2, 2), threads(2, 4)]), ["tb 2", "tb 4"]);
}

#[test]
fn a_model_is_named_by_what_tells_it_from_the_others() {
    let model = |filename: &str, description: &str| {
        with(|h| (h.model.filename, h.model.description) = (filename.into(), description.into()))
    };
    let two = [model("/m/a.gguf", "llama 1B Q4_0"), model("/m/b.gguf", "llama 1B Q8_0")];
    assert_eq!(names(&two), ["llama 1B Q4_0", "llama 1B Q8_0"]);
    assert_eq!(flags(&two), ["-m /m/a.gguf", "-m /m/b.gguf"]);
    let same_kind = [model("/m/a.gguf", "llama 1B Q4_0"), model("/m/b.gguf", "llama 1B Q4_0")];
    assert_eq!(names(&same_kind), ["a.gguf", "b.gguf"]);
    // One description is of two files, and one file was not loaded.
    let three = [&two[..1], &same_kind[1..], &[model("/m/c.gguf", "")]].concat();
    assert_eq!(flags(&three), ["-m /m/a.gguf", "-m /m/b.gguf", "-m /m/c.gguf"]);
    assert_eq!(names(&three), ["llama 1B Q4_0, a.gguf", "llama 1B Q4_0, b.gguf", "c.gguf"]);
    let places = [model("/one/a.gguf", ""), model("/two/a.gguf", "")];
    assert_eq!(names(&places), ["/one/a.gguf", "/two/a.gguf"]);
}

#[test]
fn a_model_that_was_not_loaded_in_one_way_is_the_same_model() {
    let mut failed = with(|h| h.config.n_gpu_layers = Some(99));
    failed.model.description.clear();
    assert_eq!(names(&[with(|h| h.config.n_gpu_layers = Some(0)), failed]), ["ngl 0", "ngl 99"]);
}

#[test]
fn model_and_settings_are_told_apart_and_stay_in_one_line() {
    let headers = [with(|h| h.model.description = "a\nb".into()), with(|h| h.config.n_ubatch = Some(64))];
    assert_eq!(names(&headers), ["a b, ub 512", "llama 1B Q4_0, ub 64"]);
}

#[test]
fn flags_ask_for_what_the_value_says() {
    let one = |change: fn(&mut Header)| flags(&[with(change), with(|_| {})]).swap_remove(0);
    assert_eq!(one(|h| h.config.warmup = Some(false)), "--no-warmup");
    assert_eq!(one(|h| h.config.no_kv_offload = Some(true)), "-nkvo 1");
    assert_eq!(one(|h| h.config.method = Some(Method::FreshContext)), "--method fresh-context");
    assert_eq!(one(|h| h.config.delay = Some(Duration::from_millis(500))), "--delay 0.5");
    assert_eq!(one(|h| h.config.calibration = Some(1)), "--calibrate");
    assert_eq!(one(|h| h.config.flash_attn = Some(FlashAttnSetting::Off)), "-fa 0");
    assert_eq!(one(|h| h.config.tensor_buft_overrides = "none".into()), "");
    let rule = |h: &mut Header| {
        let budget = Some(Duration::from_secs(9));
        h.config.stopping = Some(StoppingRule { max: 50, budget, ..StoppingRule::new() });
    };
    assert_eq!(flags(&[with(rule), with(|_| {})]), ["--until 1 --max-reps 50 --cell-time 9", ""]);
    assert_eq!(names(&[with(rule), with(|_| {})]), ["until 1", "until none"]);
}
