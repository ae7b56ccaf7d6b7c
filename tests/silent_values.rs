//! Values that llama.cpp accepts silently although they have no effect or another effect: the sweep says so.
#![allow(missing_docs)]

mod support;

use serde_json::Value;
use support::sweep;

fn rows(flags: &str) -> (Vec<Value>, String) {
    let ran = sweep(flags.split(' ').chain(["-r", "1", "-o", "json"]));
    assert_eq!(ran.status, 0, "{}", ran.err);
    (serde_json::from_str(&ran.out).unwrap(), ran.err)
}

#[test]
fn combinations_that_come_to_the_same_are_measured_once_and_said() {
    let (found, said) = rows("--shape tiny-llama -p 16 -n 0 -t 1 -b 128 -ub 256,1024");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["n_batch"], &found[0]["n_ubatch"]), (&128.into(), &128.into()));
    assert!(said.contains("-ub 1024 means 128") && said.contains("2 combinations"), "{said}");
    let (found, said) = rows("--shape tiny-llama -p 16,16 -n 0 -t 1,1 -fa on,1");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(said.contains("4 combinations") && said.contains("to 1 configuration, each"), "{said}");
    let (found, said) = rows("--shape tiny-llama -p 16 -n 0 -t 1 -ub 256,512 --quiet");
    assert_eq!((found.len(), support::complaints(&said)), (2, vec![]));
}

#[test]
fn a_test_that_cannot_be_measured_is_not_said_to_have_the_right_speed() {
    let flags = "--shape tiny-bert -p 1024 -n 0 -ub 1024 -t 1 -r 1";
    let ran = support::sweep(flags.split(' '));
    assert!(ran.out.contains("the model has learned 512 positions"), "{}", ran.out);
    assert!(!ran.err.contains("the speed is right"), "{}", ran.err);
}

#[test]
fn a_main_gpu_that_is_not_there_is_bad_usage() {
    for flags in ["-mg 99", "-mg 99 -sm none", "-mg 3 -dev CPU"] {
        let ran = sweep(format!("--shape tiny-llama -p 16 -n 0 -t 1 {flags}").split(' '));
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{}", ran.err);
        assert!(
            ran.err.contains("main_gpu = ") && ran.err.contains("GPU") | ran.err.contains("CPU"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn values_without_an_effect_are_said_once_on_standard_error() {
    let (found, said) = rows("--shape tiny-llama -p 16,8 -n 0 -t 1 -ncmoe 99 --swa-full -ub 256,512");
    assert_eq!(found.len(), 4);
    for note in ["n_cpu_moe = 99 has no effect: the model has no experts", "swa_full"] {
        assert_eq!(said.matches(note).count(), 1, "{note}: {said}");
    }
    let (_, said) = rows("--shape tiny-llama -p 8 -n 0 -t 1 -ot zz=CPU;ffn_up=CPU");
    assert!(said.contains("zz=CPU has no effect: the pattern matches no tensor"), "{said}");
    assert!(!said.contains("ffn_up"), "{said}");
    let (_, said) = rows("--shape tiny-mamba2 -p 16 -n 0 -t 2 -C 0x1 -ctk q8_0");
    assert!(said.contains("type_k = q8_0 has no effect"), "{said}");
    assert!(said.contains("n_threads = 2 is more than the 1 CPUs that the mask allows"), "{said}");
}
