//! The instruction sets that the CPU has, under llama.cpp's names.

use std::sync::LazyLock;

/// Those that llama.cpp can be compiled for, that this CPU has, and that the system lets programs use. A set that is not
/// named here may be one that this program cannot ask for. Empty on an architecture that it does not know.
pub(super) fn cpu_features() -> &'static [String] {
    static FOUND: LazyLock<Vec<String>> = LazyLock::new(|| {
        let detected = detected().into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
        detected.chain(told_by_linux()).map(str::to_owned).collect()
    });
    &FOUND
}

#[cfg(target_arch = "x86_64")]
fn detected() -> Vec<(&'static str, bool)> {
    use std::arch::is_x86_feature_detected as has;
    // llama.cpp's build turns them on together.
    let avx512 =
        has!("avx512f") && has!("avx512cd") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw");
    vec![
        ("SSE3", has!("sse3")),
        ("SSSE3", has!("ssse3")),
        ("AVX", has!("avx")),
        ("AVX2", has!("avx2")),
        ("F16C", has!("f16c")),
        ("FMA", has!("fma")),
        ("BMI2", has!("bmi2")),
        ("AVX512", avx512),
        ("AVX512_VBMI", has!("avx512vbmi")),
        ("AVX512_VNNI", has!("avx512vnni")),
        ("AVX512_BF16", has!("avx512bf16")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn detected() -> Vec<(&'static str, bool)> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![
        ("NEON", has!("neon")),
        ("DOTPROD", has!("dotprod")),
        ("FP16_VA", has!("fp16")),
        ("MATMUL_INT8", has!("i8mm")),
        ("SVE", has!("sve")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// What stable Rust cannot ask the CPU for.
fn told_by_linux() -> Vec<&'static str> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Vec::new();
    }
    std::fs::read_to_string("/proc/cpuinfo").map_or_else(|_| Vec::new(), |text| of_cpuinfo(&text))
}

/// Reads the lines `flags : fpu vme …`, one per CPU: what all of them have.
fn of_cpuinfo(text: &str) -> Vec<&'static str> {
    let flags = || text.lines().filter(|line| line.starts_with("flags")).filter_map(|l| l.split_once(':'));
    let all_have = |flag: &str| {
        flags().next().is_some() && flags().all(|(_, flags)| flags.split_whitespace().any(|it| it == flag))
    };
    let known = [("avx_vnni", "AVX_VNNI"), ("amx_int8", "AMX_INT8")];
    known.into_iter().filter(|(flag, _)| all_have(flag)).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was compiled in is being run.
    #[test]
    fn the_cpu_has_what_llama_cpp_was_compiled_for() {
        let compiled = crate::llama::Backend::init().unwrap().features();
        let compiled = &compiled["CPU"];
        let cpu = cpu_features();
        for (name, has) in detected() {
            assert_eq!(cpu.iter().any(|it| it == name), has, "{name}");
            assert!(has || !compiled.contains_key(name), "{name} is used and was not found");
        }
    }

    #[test]
    fn linux_tells_what_every_cpu_has() {
        let one = "processor\t: 0\nflags\t\t: fpu avx_vnni amx_int8 amx_tile\nvmx flags\t: ept\n";
        let other = "processor\t: 1\nflags\t\t: fpu avx_vnni amx_int88\n";
        assert_eq!(of_cpuinfo(one), ["AVX_VNNI", "AMX_INT8"]);
        assert_eq!(of_cpuinfo(&format!("{one}\n{other}")), ["AVX_VNNI"]);
        assert_eq!(of_cpuinfo("Features\t: asimd sve\n"), [""; 0]);
        assert_eq!(of_cpuinfo(""), [""; 0]);
    }
}
