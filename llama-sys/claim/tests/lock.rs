//! Which lock files are refused.
#![allow(missing_docs)]

#[path = "../build/lock.rs"]
mod lock;

/// A lock file with these packages.
fn lock(packages: &[(&str, &str)]) -> String {
    let entry = |(name, version): &(&str, &str)| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [\n \"cc\",\n]\n\n")
    };
    format!("version = 4\n\n{}", packages.iter().map(entry).collect::<String>())
}

const CLAIM: (&str, &str) = ("llama-bench-sys-claim", "0.1.0");

#[test]
fn versions_that_cargo_cannot_refuse_are_refused_with_what_to_use() {
    for old in ["0.1.0", "0.1.3", "0.1.4"] {
        let refused = lock::refusal(&lock(&[CLAIM, ("llama-cpp-2", old), ("llama-cpp-sys-2", old)])).unwrap();
        assert!(refused.contains(&format!("llama-cpp-2 {old}")), "{refused}");
        assert!(refused.contains("llama-bench-llama-cpp-2") && refused.contains("`own`"), "{refused}");
    }
    let alone = lock::refusal(&lock(&[CLAIM, ("llama-cpp-sys-2", "0.1.4")])).unwrap();
    assert!(alone.contains("llama-cpp-sys-2 0.1.4"), "{alone}");
}

#[test]
fn other_lock_files_are_accepted() {
    // Versions that cargo refuses by itself, or that are somebody else's.
    assert_eq!(lock::refusal(&lock(&[CLAIM, ("llama-cpp-sys-2", "0.1.5")])), None);
    assert_eq!(lock::refusal(&lock(&[CLAIM, ("llama-cpp-sys-2", "0.2.1")])), None);
    assert_eq!(lock::refusal(&lock(&[CLAIM, ("llama-cpp-2", "0.1.4")])), None);
    // A lock file further up that has nothing to do with this package.
    assert_eq!(lock::refusal(&lock(&[("llama-cpp-sys-2", "0.1.4")])), None);
    assert_eq!(lock::refusal(""), None);
    assert_eq!(lock::refusal(include_str!("../../../Cargo.lock")), None);
}
