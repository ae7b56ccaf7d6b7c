//! With loadable backends, examples find the shared libraries that lie beside them: the folder can be copied.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let unix = std::env::var_os("CARGO_CFG_UNIX").is_some();
    if unix && std::env::var_os("CARGO_FEATURE_DYNAMIC_BACKENDS").is_some() {
        let origin = if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos") {
            "@loader_path"
        } else {
            "$ORIGIN"
        };
        println!("cargo::rustc-link-arg-examples=-Wl,-rpath,{origin}");
    }
}
