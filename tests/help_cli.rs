//! The help of every example: one screen, groups, and no flag that is not explained.
#![allow(missing_docs)]

mod support;

use std::{collections::BTreeSet, path::Path};

use support::{Ran, example, run};

const PROGRAMS: [&str; 12] = [
    "sweep",
    "serve_bench",
    "compare",
    "method_check",
    "serve_check",
    "routing",
    "guard_study",
    "regression_study",
    "report",
    "generate",
    "embed",
    "worker",
];

/// Groups of flags, alike in all programs.
const GROUPS: [&str; 14] = [
    "Arguments",
    "Sides",
    "Tests",
    "Requests",
    "Server",
    "Model",
    "Devices",
    "Context",
    "Statistics",
    "Output",
    "Judging",
    "In place of measuring",
    "Options",
    "Help",
];

fn help(name: &str, flag: &str) -> String {
    let Ran { status, out, err } = run(example(name).arg(flag));
    assert_eq!((status, err.as_str()), (0, ""), "{name} {flag}");
    out
}

/// The words that begin with a dash in the names column.
fn names(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().filter(|line| line.starts_with("  -"));
    lines
        .flat_map(|line| line.split([' ', ',']).take_while(|word| !word.starts_with('<')))
        .filter(|word| word.starts_with('-'))
        .collect()
}

#[test]
fn the_short_help_fits_one_screen() {
    for name in PROGRAMS {
        let screen = help(name, "-h");
        assert!(screen.lines().count() <= 52, "{name}: {screen}");
        assert!(screen.contains(&format!("Usage: {name} ")), "{name}: {screen}");
    }
}

#[test]
fn every_line_fits_80_columns() {
    for name in PROGRAMS {
        for flag in ["-h", "--help"] {
            let help = help(name, flag);
            let wide = help.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{name} {flag}");
        }
    }
}

#[test]
fn every_flag_stands_in_a_group() {
    for name in PROGRAMS {
        let (screen, everything) = (help(name, "-h"), help(name, "--help"));
        let headings = everything.lines().filter(|line| line.ends_with(':') && !line.starts_with(' '));
        for heading in headings.filter(|heading| !heading.starts_with("Flags of llama-bench")) {
            assert!(GROUPS.contains(&heading.trim_end_matches(':')), "{name}: {heading}");
        }
        let (few, all) = (names(&screen), names(&everything));
        assert!(few.is_subset(&all), "{name}: {:?}", few.difference(&all));
    }
}

/// The same flag has the same names in every program.
#[test]
fn models_and_contexts_have_the_same_flags_everywhere() {
    let of = |name: &str| {
        let help = help(name, "--help");
        let groups = ["Model:", "Devices:", "Context:", "Tests:"];
        let sections =
            help.split("\n\n").filter(|part| groups.iter().any(|group| part.trim().starts_with(group)));
        let lines = sections.flat_map(str::lines).filter(|line| line.starts_with("  -"));
        let lines = lines.filter(|line| !line.contains("--numa"));
        lines.map(|line| line.split("  ").nth(1).unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let sweep = of("sweep");
    assert!(sweep.len() > 30, "{sweep:?}");
    for name in ["compare", "method_check"] {
        assert_eq!(of(name), sweep, "{name}");
    }
}

/// `UPDATE_SNAPSHOTS=1 cargo test` renews the files.
#[test]
fn the_short_helps_are_as_they_were() {
    for name in PROGRAMS {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}-help.txt"));
        let screen = help(name, "-h");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &screen).unwrap();
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(screen, known, "{name}: UPDATE_SNAPSHOTS=1 renews {}", path.display());
    }
}

#[test]
fn what_is_wrong_with_an_argument_is_said() {
    for (name, arguments, says) in [
        ("routing", &[][..], "<SHAPE>"),
        ("routing", &["gpt-9", "models"][..], "gpt-oss-20b"),
        ("routing", &["gpt-oss-20b", "models", "0"][..], "give 1 or more"),
        ("method_check", &["-t", "0"][..], "0 is not a valid number of threads"),
        ("method_check", &["--rounds", "0"][..], "give 1 or more"),
        ("method_check", &["--tolerance", "nan"][..], "is not a percentage"),
        ("method_check", &["-ub", "1,2"][..], "give each flag one value"),
        ("method_check", &["-m", "a.gguf,b.gguf"][..], "name one"),
        ("method_check", &["-ctk", "q9"][..], "type of cache = q9"),
        ("method_check", &["-hf", "x"][..], "download the GGUF file"),
        ("serve_check", &["--slots", "0"][..], "give 1 or more"),
        ("serve_check", &["--prompt", "uniform:9:1"][..], "write uniform:1:9"),
        ("serve_check", &["--slots", "64", "-b", "32"][..], "raise n_batch to at least 64"),
    ] {
        let ran = run(example(name).args(arguments));
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{name} {arguments:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{name} {arguments:?}: no {says:?} in {}", ran.err);
    }
}

/// `-ngl 99` and the other flags of several letters are read alike by all.
#[test]
fn short_names_of_several_letters_work_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing.gguf");
    let path = path.to_str().unwrap();
    let flags = ["-m", path, "-ngl", "99", "-ub", "64", "-fa", "1", "-ctk=q8_0", "--n_gen", "4", "-d", "0"];
    for (name, more) in
        [("sweep", &[][..]), ("compare", &["--b", "-fa 0", "--loads", "1"][..]), ("method_check", &[][..])]
    {
        let ran = run(example(name).args(flags).args(more));
        // Everything but the file is right.
        assert_eq!(ran.status, 1, "{name}: {}", ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains("missing.gguf"), "{name}: {}", ran.err);
    }
    let flags = ["-m", path, "-ngl", "99", "-ub", "64", "-fa", "1", "-ctk=q8_0", "--n_gen", "4", "-p", "x"];
    let ran = run(example("generate").args(flags));
    assert!(ran.status == 1 && ran.err.contains("missing.gguf"), "{}", ran.err);
}
