//! Which applications get which llama.cpp, and what cargo or the build says to the others. Nothing is compiled but build
//! scripts.
#![allow(missing_docs)]

#[path = "support/application.rs"]
mod application;

use application::{Application, before, exact, root, target};

const BRIDGE: &str = "llama-bench-llama-cpp-2";
const CLAIM: &str = "llama-bench-sys-claim";

/// The claim as resolved.
fn claim() -> String {
    format!("{CLAIM} {}", env!("CARGO_PKG_VERSION"))
}

/// A dependency on a package of the repository, with more of its line.
fn ours(package: &str, more: &str) -> String {
    let folder = match package {
        "llama-bench-sys" => "llama-sys",
        "llama-bench-sys-provider" => "llama-sys-provider",
        other => other,
    };
    format!("{package} = {{ path = '{}'{more} }}\n", root().join(folder).display())
}

fn llama_cpp_2(requirement: &str) -> String {
    format!("llama-cpp-2 = \"{requirement}\"\n")
}

/// Says why nothing is tested, if this machine lacks packages that every application needs.
fn cannot_resolve() -> bool {
    match Application::new(&ours("llama-bench-rs", "")).linked() {
        Ok(_) => false,
        Err(why) => {
            eprintln!("SKIPPED: cargo cannot resolve an application without a network: {why}");
            true
        }
    }
}

/// `llama-bench-sys` as the bridge uses it, with these features of it and of llama-cpp-sys-2.
fn shared(features: &str, theirs: &str) -> Application {
    let sys = ours("llama-bench-sys", &format!(", default-features = false, features = [{features}]"));
    let provider = ours("llama-bench-sys-provider", ", features = ['llama-cpp-2']");
    let pinned = exact("vendor/pin.toml", "llama-cpp-sys-2");
    let theirs = format!("llama-cpp-sys-2 = {{ version = '={pinned}', features = [{theirs}] }}\n");
    Application::new(&[sys, provider, theirs].concat())
}

fn check_sys(application: &Application, env: &[(&str, &str)]) -> String {
    application.check("llama-bench-sys", Some(&target()), env).unwrap_err()
}

#[test]
fn with_the_bridge_there_is_one_llama_cpp_whatever_is_required_of_llama_cpp_2() {
    if cannot_resolve() {
        return;
    }
    let theirs = [format!("llama-cpp-sys-2 {}", exact("vendor/pin.toml", "llama-cpp-sys-2"))];
    for requirement in ["0.1".into(), exact("llama-bench-llama-cpp-2/Cargo.toml", "llama-cpp-2")] {
        let application = Application::new(&[ours(BRIDGE, ""), llama_cpp_2(&requirement)].concat());
        let linked = application.linked().unwrap();
        assert_eq!(linked, theirs, "{requirement}");
    }
    // Parts of the same program may ask for llama-bench-rs too, if not for one of its own.
    let wrapper = ours("llama-bench-rs", ", default-features = false, features = ['measure']");
    let linked = Application::new(&[ours(BRIDGE, ""), wrapper].concat()).linked().unwrap();
    assert_eq!(linked, theirs);
    let development = format!("{}\n[dev-dependencies]\n{}", llama_cpp_2("0.1"), ours(BRIDGE, ""));
    assert_eq!(Application::new(&development).linked().unwrap(), theirs);
}

#[test]
fn llama_bench_rs_alone_builds_its_own() {
    if cannot_resolve() {
        return;
    }
    let linked = Application::new(&ours("llama-bench-rs", "")).linked().unwrap();
    assert_eq!(linked, [claim()]);
    // The provider, which is always there, brings nothing by itself.
    let none = ours("llama-bench-rs", ", default-features = false");
    assert_eq!(Application::new(&none).linked().unwrap(), <[String; 0]>::default());
}

#[test]
fn two_llama_cpp_are_refused_by_cargo() {
    if cannot_resolve() {
        return;
    }
    let version = exact("llama-bench-llama-cpp-2/Cargo.toml", "llama-cpp-2");
    for dependencies in
        [[ours("llama-bench-rs", ""), llama_cpp_2(&version)], [ours("llama-bench-rs", ""), ours(BRIDGE, "")]]
    {
        let refused = Application::new(&dependencies.concat()).linked().unwrap_err();
        assert!(refused.contains("links to the native library `llama`"), "{refused}");
        assert!(refused.contains(CLAIM) && refused.contains("llama-cpp-sys-2"), "{refused}");
    }
}

/// `0.1` lets cargo go back to versions that do not say what they link.
#[test]
fn an_old_llama_cpp_2_that_cargo_falls_back_to_is_refused_by_the_claim() {
    if cannot_resolve() {
        return;
    }
    let application = Application::new(&[ours("llama-bench-rs", ""), llama_cpp_2("0.1")].concat());
    let linked = application.linked().unwrap();
    assert_eq!(linked, [claim()]);
    let refused = application.check(CLAIM, None, &[]).unwrap_err();
    assert!(
        refused.contains("two llama.cpp in one program") && refused.contains("llama-cpp-2 0.1.4"),
        "{refused}"
    );
    assert!(refused.contains(&format!("depend on {BRIDGE}")), "{refused}");
    // Without llama-cpp-2 it has nothing to say.
    Application::new(&ours("llama-bench-rs", "")).check(CLAIM, None, &[]).unwrap();
}

#[test]
fn without_any_llama_cpp_the_build_names_both_ways_to_one() {
    if cannot_resolve() {
        return;
    }
    let refused = check_sys(&Application::new(&ours("llama-bench-sys", ", default-features = false")), &[]);
    assert!(
        refused.contains("there is no llama.cpp") && refused.contains("`own` of llama-bench-rs"),
        "{refused}"
    );
    assert!(refused.contains(BRIDGE), "{refused}");
}

#[test]
fn other_versions_are_refused_by_cargo() {
    if cannot_resolve() {
        return;
    }
    let version = exact("llama-bench-llama-cpp-2/Cargo.toml", "llama-cpp-2");
    let older = format!("={}", before(&version));
    let refused = Application::new(&[ours(BRIDGE, ""), llama_cpp_2(&older)].concat());
    let refused = refused.linked().unwrap_err();
    assert!(refused.contains("failed to select a version for `llama-cpp-2`"), "{refused}");
    assert!(refused.contains(BRIDGE) && refused.contains(&before(&version)), "{refused}");
}

#[test]
fn features_and_variables_that_llama_cpp_2_does_not_follow_are_refused_by_the_build() {
    if cannot_resolve() {
        return;
    }
    let refused = check_sys(&shared("'cuda', 'openmp'", ""), &[("LLAMA_CPP_DIR", "/a/checkout")]);
    assert!(
        refused.contains("the feature `cuda` is on") && refused.contains("`cuda` of llama-cpp-2"),
        "{refused}"
    );
    assert!(refused.contains("LLAMA_CPP_DIR is set") && refused.contains("unset it"), "{refused}");
    assert!(!refused.contains("`openmp`"), "{refused}");
    // With what the build has, the next thing is its source.
    let refused = check_sys(&shared("'openmp'", ""), &[]);
    assert!(refused.contains("/no/such/source") && !refused.contains("is on, but"), "{refused}");
}

#[test]
fn a_ggml_of_the_system_is_refused_by_the_provider() {
    if cannot_resolve() {
        return;
    }
    let refused = check_sys(&shared("'openmp'", "'system-ggml'"), &[]);
    assert!(refused.contains("does not say where it built ggml"), "{refused}");
    assert!(
        refused.contains("turn off `system-ggml`") && refused.contains("without llama-cpp-2"),
        "{refused}"
    );
}
