//! Flags that do nothing without another flag: reported, not accepted silently.

use llama_bench_rs::{
    cli::{OutputFormat, all},
    report::Format,
};

use crate::args::Args;

/// A flag that needs something else to have an effect.
struct Needs {
    /// The name of its field.
    flag: &'static str,
    /// Checks that each flag of a command line has the flags that it needs, given the number of configurations.
    is_met: fn(&Args, usize) -> bool,
    /// What that is, as the end of `has no effect without`.
    what: &'static str,
}

const fn needs(flag: &'static str, is_met: fn(&Args, usize) -> bool, what: &'static str) -> Needs {
    Needs { flag, is_met, what }
}

static NEEDS: [Needs; 14] = [
    needs("shared_prefix", |args, _| all(&args.tests.parallel).into_iter().any(|n| n > 1), "-npl 2 or more"),
    needs("min_reps", |args, _| args.run.until.is_some(), "--until"),
    needs("max_reps", |args, _| args.run.until.is_some(), "--until"),
    needs("cell_time", |args, _| args.run.until.is_some(), "--until"),
    needs("runs_in", |args, _| args.run.runs > 1, "--runs 2 or more"),
    needs(
        "no_interleave",
        |args, n_configurations| n_configurations > 1 && args.isolation().is_none(),
        "several configurations in one process",
    ),
    needs("tolerance", |args, _| args.baseline.compares(), "--baseline"),
    needs("strict", |args, _| args.baseline.compares(), "--baseline"),
    needs(
        "baseline_dir",
        |args, _| args.baseline.compares() || args.baseline.saves(),
        "--baseline or --save-baseline",
    ),
    needs("file_type", |args, _| has_shape(args), "a synthetic model (--shape)"),
    needs(
        "keep",
        |args, _| has_shape(args) || !args.model.like.is_empty(),
        "a synthetic model (--shape or --like)",
    ),
    needs("stat", |args, _| writes_markdown(args), "a Markdown table (-o md, -oe md or --output FILE.md)"),
    needs(
        "joules",
        |args, _| writes_markdown(args) && !args.run.no_energy,
        "a Markdown table (-o md, -oe md or --output FILE.md) of energy that is measured",
    ),
    needs(
        "light",
        |args, _| writes_markdown(args) && args.run.ceilings.are_asked(),
        "a Markdown table (-o md, -oe md or --output FILE.md) and --ceilings",
    ),
];

/// Flags of what is done with figures: with `--plan` and `--verify` there are none.
static OF_FIGURES: [&str; 20] = [
    "format",
    "format_err",
    "output",
    "stat",
    "joules",
    "light",
    "ceilings",
    "renew_ceilings",
    "profile",
    "trace",
    "resume",
    "force",
    "explain",
    "html",
    "svg",
    "picture",
    "baseline",
    "save_baseline",
    "tolerance",
    "strict",
];

/// A line for each flag of the command line that has no effect there.
pub fn lines(args: &Args, n_configurations: usize) -> Vec<String> {
    let is_given = |flag: &str| args.given.iter().any(|one| one == flag);
    let only_inspects = if args.plan { Some("--plan") } else { args.verify.then_some("--verify") };
    let of_figures = OF_FIGURES.iter().filter(|flag| is_given(flag));
    let inspected = only_inspects.map(|flag| of_figures.map(move |one| (*one, format!("with {flag}"))));
    let mut silent: Vec<(&str, String)> = inspected.into_iter().flatten().collect();
    for needs in NEEDS.iter().filter(|needs| is_given(needs.flag)) {
        let is_said = silent.iter().any(|(flag, _)| *flag == needs.flag);
        if !is_said && !(needs.is_met)(args, n_configurations) {
            silent.push((needs.flag, format!("without {}", needs.what)));
        }
    }
    silent.into_iter().map(|(flag, why)| format!("{} has no effect {why}", written(flag))).collect()
}

fn has_shape(args: &Args) -> bool {
    args.model.n_models() == 0 || !args.model.shapes.is_empty()
}

fn writes_markdown(args: &Args) -> bool {
    let is_markdown = |format| matches!(format, OutputFormat::Rows(Format::Markdown));
    let is_file = args.out.output.as_ref().is_some_and(|file| file.extension().is_some_and(|it| it == "md"));
    is_markdown(args.out.format) || is_markdown(args.out.format_err) || is_file
}

/// The flag as it is written on a command line.
fn written(flag: &str) -> String {
    match flag {
        "format" => "-o".into(),
        "format_err" => "-oe".into(),
        flag => format!("--{}", flag.replace('_', "-")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    fn said(line: &str, n_configurations: usize) -> Vec<String> {
        let words = ["sweep"].into_iter().chain(line.split(' ')).map(Into::into);
        lines(&Args::from_words(words).unwrap_or_else(|error| panic!("{line}: {error}")), n_configurations)
    }

    /// Flags whose value matters on every command line, or that clap refuses without what they need. A value that means
    /// nothing for a model is reported when the model is known.
    const ALONE: &str = "n_prompt n_gen pg n_depth parallel models shapes like load_mode no_mmap mmap direct_io lazy_mode repack \
        n_gpu_layers n_cpu_moe device rpc rpc_timeout split_mode tensor_split main_gpu override_tensor fit_target fit_ctx no_host numa \
        n_batch n_ubatch flash_attn type_k type_v n_threads cpu_mask cpu_strict poll prio no_kv_offload no_op_offload \
        swa_full embeddings n_reps until runs delay no_warmup no_energy method order seed calibrate repeat_disturbed share_machine \
        verbose progress quiet expect plan verify list_devices list_shapes version isolate";

    #[test]
    fn every_flag_is_known_to_have_an_effect_or_to_need_something() {
        let command = Args::command();
        let all: BTreeSet<&str> =
            command.get_arguments().map(|arg| arg.get_id().as_str()).filter(|id| *id != "help").collect();
        let needing = NEEDS.iter().map(|needs| needs.flag).chain(OF_FIGURES);
        let known: BTreeSet<&str> = ALONE.split_whitespace().chain(needing).collect();
        assert_eq!(all.difference(&known).collect::<Vec<_>>(), [&""; 0], "say what they need");
        assert_eq!(known.difference(&all).collect::<Vec<_>>(), [&""; 0], "no such flag");
    }

    #[test]
    fn a_flag_without_what_it_needs_is_said_and_with_it_is_not() {
        // Without -r clap refuses those of --until; with it, which --until excludes, it accepts them.
        let table = [
            ("-pps", "-pps -npl 1,4"),
            ("--min-reps 5 -r 3", "--min-reps 5 --until 1"),
            ("--max-reps 50 -r 3", "--max-reps 50 --until 1"),
            ("--cell-time 5 -r 3", "--cell-time 5 --until 1"),
            ("--runs-in load", "--runs-in load --runs 2"),
            ("--no-interleave", "--no-interleave -ub 64,128"),
            ("--tolerance 3", "--tolerance 3 --baseline main"),
            ("--strict", "--strict --baseline main"),
            ("--baseline-dir x", "--baseline-dir x --save-baseline main"),
            ("--file-type q8_0 -m a.gguf", "--file-type q8_0 -m a.gguf --shape tiny-llama"),
            ("--keep -m a.gguf", "--keep -m a.gguf --like b.gguf"),
            ("--stat p90 -o json", "--stat p90 -o json -oe md"),
            ("--joules --no-energy", "--joules"),
            ("--light", "--light --ceilings"),
        ];
        for (Needs { flag, .. }, (alone, with)) in NEEDS.iter().zip(table) {
            let expected = format!("{} has no effect without ", written(flag));
            let lines = said(alone, 1);
            assert!(lines.len() == 1 && lines[0].starts_with(&expected), "{alone}: {lines:?}");
            let n_configurations = if with.contains("-ub") { 2 } else { 1 };
            assert_eq!(said(with, n_configurations), [""; 0], "{with}");
        }
    }

    #[test]
    fn figures_are_neither_written_nor_judged_without_measuring() {
        assert_eq!(said("--plan --profile", 1), ["--profile has no effect with --plan"]);
        assert_eq!(said("--plan --html a.html", 1), ["--html has no effect with --plan"]);
        assert_eq!(said("--verify --strict -o json", 1).len(), 2);
        assert_eq!(said("--plan -ub 64,128 -p 5 -r 3 --runs 2", 2), [""; 0]);
    }
}
