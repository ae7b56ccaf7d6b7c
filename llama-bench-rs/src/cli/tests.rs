//! The groups as a program flattens them.

use clap::{CommandFactory, Parser};

use super::*;
use crate::{
    bench::Sweep,
    llama::{Backend, ContextParams, FlashAttn, KvType, LoadMode, ModelParams, SplitMode},
    record::{
        Config, Failure,
        parameters::{Flag, PARAMETERS, tests::changed},
    },
};

/// Does something.
///
/// And explains it.
#[derive(Debug, Parser)]
#[command(name = "app")]
struct App {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    tests: TestArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    out: OutputArgs,
    /// The application's own
    #[arg(long, visible_alias = "np")]
    n_parallel: Option<u32>,
}

fn app(line: &str) -> Result<App, clap::Error> {
    try_parse_from(line.split_whitespace())
}

fn models(line: &str) -> Result<Vec<ModelParams>, crate::llama::LlamaError> {
    app(line).unwrap().model.params(&Backend::init().unwrap(), 0)
}

#[test]
fn an_application_has_short_names_of_several_letters_too() {
    for line in ["app -np 3 -ngl 7", "app --n-parallel=3 --n_gpu_layers 7", "app -np=3 -ngl=7"] {
        let app = app(line).unwrap();
        assert_eq!((app.n_parallel, all_integers(&app.model.n_gpu_layers)), (Some(3), vec![7]), "{line}");
    }
    App::command().debug_assert();
}

#[test]
fn flags_lead_back_to_the_parameters() {
    let model = ModelParams::default()
        .n_gpu_layers(3)
        .split_mode(SplitMode::Row)
        .load_mode(LoadMode::MmapMlock)
        .no_devices(true)
        .tensor_split(vec![3.0, 0.5])
        .tensor_buft_overrides(vec![("a{1,2}".into(), "CPU".into()), ("b".into(), "CPU".into())])
        .n_cpu_moe(2)
        .no_host(true)
        .use_extra_bufts(false);
    let context = ContextParams::default()
        .n_batch(1024)
        .n_ubatch(256)
        .n_threads(3)
        .n_threads_batch(3)
        .flash_attn(FlashAttn::On)
        .type_k(KvType::Q8_0)
        .type_v(KvType::Bf16)
        .offload_kqv(false)
        .op_offload(false)
        .swa_full(true)
        .embeddings(true)
        .cpu_mask(vec![true, false, true, false, false, true])
        .cpu_strict(true)
        .poll(0)
        .prio(-1);
    for (model, context) in
        [(&model, &context), (&ModelParams::default(), &context), (&model, &ContextParams::default())]
    {
        let flags = flags_of(model, context);
        let app: App = try_parse_from(["app".to_owned()].into_iter().chain(flags.clone())).unwrap();
        assert_eq!(
            app.model.params(&Backend::init().unwrap(), 0).unwrap(),
            std::slice::from_ref(model),
            "{flags:?}"
        );
        assert_eq!(app.context.params(), std::slice::from_ref(context), "{flags:?}");
    }
    assert!(flags_of(&ModelParams::default(), &ContextParams::default()).is_empty());
    // A flag of the tests leads to this one.
    let shared = ContextParams::default().kv_unified(true);
    assert_eq!(flags_of(&ModelParams::default(), &shared), ["-pps"]);
}

/// What is recorded of a sweep with the flags of a line.
fn asked(words: &[String]) -> Config {
    let line = ["app".to_owned()].into_iter().chain(words.iter().cloned());
    let app: App = try_parse_from(line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let model = app.model.combinations(&Backend::init().unwrap(), 0).unwrap().swap_remove(0);
    let context = app.context.params().swap_remove(0);
    let sweep = Sweep::not_loaded("a.gguf", &model, Failure { kind: "test".into(), message: String::new() });
    let default = DefaultTests { n_prompt: 1, n_gen: 0, depths: &[0] };
    let sweep = app.tests.ask(sweep.context(context), default);
    let sweep = app.run.ask(sweep, app.run.stopping().unwrap());
    let mut config = sweep.header().unwrap().config;
    // Set for the whole process, before anything is measured.
    config.numa = Some(app.run.numa.map_or("disabled", |numa| numa.name()).into());
    config
}

#[test]
fn every_flag_of_the_table_of_parameters_is_read_and_written() {
    let usual = asked(&[]);
    for parameter in PARAMETERS {
        let wanted = changed(parameter, &usual);
        let flags = parameter.flags(&wanted);
        assert_eq!(flags.is_empty(), parameter.flag == Flag::Nothing, "{}", parameter.field);
        if !flags.is_empty() {
            let read = asked(&flags);
            assert_eq!(parameter.value(&read), parameter.value(&wanted), "{flags:?}");
            assert_ne!(parameter.value(&read), parameter.value(&usual), "{flags:?}");
        }
        // What one gets without a flag is asked for by none, or by one that says the same.
        let flags = parameter.flags(&usual);
        assert_eq!(asked(&flags), usual, "{flags:?}");
    }
}

#[test]
fn the_former_name_of_the_calibration_is_still_read_and_not_shown() {
    assert_eq!(asked(&["--pace".into()]).calibration, asked(&["--calibrate".into()]).calibration);
    assert!(asked(&["--pace".into()]).calibration.is_some());
    assert!(!App::command().render_long_help().to_string().contains("--pace"));
}

#[test]
fn shares_of_devices_come_back_exactly() {
    let model = ModelParams::default().tensor_split(vec![0.125, 2.0 / 3.0, 1.0]);
    let flags = flags_of(&model, &ContextParams::default());
    let line = ["app".to_owned()].into_iter().chain(flags);
    let app: App = try_parse_from(line).unwrap();
    assert_eq!(app.model.params(&Backend::init().unwrap(), 0).unwrap(), [model]);
}

/// Nothing is loaded for any of these.
#[test]
fn values_are_checked_when_they_are_read() {
    for (line, says) in [
        ("-t 0", "0 is not a valid number of threads: give 1 to 512"),
        ("-t 1-1000*10", "1000 is not a valid number of threads"),
        ("-b 0", "0 is not a valid batch size"),
        ("-ub 0,512", "0 is not a valid batch size"),
        ("--poll 200", "200 is not a valid level of polling: give 0 to 100"),
        ("--prio 9", "9 is not a valid priority: give -1 (low) to 3 (realtime)"),
        ("-r 0", "give 1 or more"),
        ("--runs 0", "give 1 or more"),
        ("--until 0", "over 0"),
        ("--until -1", "over 0"),
        ("--until nan", "over 0"),
        ("--until 1 --min-reps 1", "an interval needs 2 or more"),
        ("--until 1 --cell-time -1", "is not a time over 0"),
        ("--until 1 --cell-time 0", "is not a time over 0"),
        ("--rpc a:1 --rpc-timeout 0", "\"0\" is not a time over 0: write seconds"),
        ("--rpc ,,", "write HOST:PORT"),
        ("--rpc a:1,", "write HOST:PORT"),
        ("--repeat-disturbed 101", "0 to 100 percent"),
        ("-ts 1/nan", "\"nan\" in \"1/nan\" is not a share"),
        ("-pg 0,8", "0 tokens"),
        ("-ctk q9", "type of cache = q9"),
        ("-ngl -7", "-7 is not a valid number of layers: give 0 or more, or -1 for all"),
        ("-ngl 0,-2", "-2 is not a valid number of layers"),
        ("-fa 2", "use one of auto, off, on (or -1, 0, 1)"),
        ("-d 9-1", "the end is before the start: write 1-9"),
        ("-fa maybe", "flash attention = maybe"),
        ("-sm diagonal", "split mode = diagonal"),
        ("-lm tape", "load mode = tape"),
        ("-lzm never", "lazy mode = never"),
        ("--numa everywhere", "NUMA placement = everywhere"),
        ("--seed x", "\"x\" is not a whole number"),
        ("-fitt -1", "\"-1\" is not a whole number"),
        ("-fitc 1.5", "\"1.5\" is not a whole number"),
        ("-o xml", "\"xml\" is not a format"),
    ] {
        let error = app(&format!("app {line}")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(says), "{line}: {error}");
        for word in
            ["KvType", "FlashAttn", "SplitMode", "LoadMode", "LazyMode", "Numa ", "u32", "invalid digit"]
        {
            assert!(!error.to_string().contains(word), "{word} is a name of Rust alone: {error}");
        }
    }
    for (line, says) in [
        ("-dev CUDA77", "unknown device \"CUDA77\""),
        ("-ot exps=NoSuchBuffer", "unknown buffer type \"NoSuchBuffer\""),
        ("-ot ffn_(=CPU", "not a valid regular expression"),
        ("-ncmoe 5000", "no model has that many layers"),
        ("-mg -1", "give the index of a device"),
    ] {
        let error = models(&format!("app {line}")).unwrap_err().to_string();
        assert!(error.contains(says), "{line}: {error}");
    }
}

#[test]
fn a_device_that_is_not_there_is_left_to_the_load_beside_one_that_is() {
    let all = models("app -mg 0,99").unwrap();
    assert_eq!(all.iter().map(|params| params.main_gpu).collect::<Vec<_>>(), [0, 99]);
    let refused = all[1].check(&Backend::init().unwrap()).unwrap_err().to_string();
    assert!(refused.contains("main_gpu = 99"), "{refused}");
    for alone in ["-mg 99", "-mg 98,99"] {
        assert!(models(&format!("app {alone}")).unwrap_err().to_string().contains("main_gpu = 9"), "{alone}");
    }
}

/// clap would say that `-u` is unexpected, or that `gll` is not a valid number of tokens.
#[test]
fn a_slip_in_a_name_behind_one_dash_is_told_whole_with_what_was_meant() {
    for (line, word, meant) in [
        ("-ubb 4", "'-ubb'", "'-ub'"),
        ("-bu 4", "'-bu'", "'-ub'"),
        ("-ngll 4", "'-ngll'", "'-ngl'"),
        ("-ctkk=q8_0", "'-ctkk'", "'-ctk'"),
        ("-fb 0", "'-fb'", "'-fa'"),
        ("-threads 4", "'-threads'", "'--threads'"),
        ("-flash_attn 1", "'-flash-attn'", "'--flash-attn'"),
        ("-n_parallels 4", "'-n_parallels'", "'--n-parallel'"),
        ("-zyx", "'-zyx'", "-h lists the arguments"),
    ] {
        let error = app(&format!("app {line}")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        let said = error.to_string().replace('_', "-");
        assert!(said.contains(&format!("unexpected argument {}", word.replace('_', "-"))), "{line}: {said}");
        assert!(said.contains(meant), "{line}: {said}");
    }
    // A letter with its value is not a slip.
    let read = app("app -t4 -p16 -mtiny.gguf -ojsonl -C0xf -omd").unwrap();
    assert_eq!((all(&read.context.n_threads), read.model.models.len()), (vec![4], 1));
}

#[test]
fn one_flag_is_no_plural() {
    #[derive(Debug, Parser)]
    struct Few {
        #[arg(long, hide_short_help = true)]
        rare: bool,
    }
    let error = try_parse_from::<Few>(["few", "-h"]).unwrap_err().to_string();
    assert!(error.contains("--help prints 1 more flag\n"), "{error}");
}

#[test]
fn a_program_of_one_configuration_refuses_lists() {
    let several = app("app -ub 1,2 -fa 0,1").unwrap();
    let error = several.context.one().unwrap_err().to_string();
    assert!(error.contains("4 combinations") && error.contains("one value"), "{error}");
    assert!(app("app -ngl 0,1").unwrap().model.one(&Backend::init().unwrap()).is_err());
}

#[test]
fn help_fits_a_narrow_terminal() {
    for detail in [help::Detail::Screen, help::Detail::All] {
        for width in [40, 60, 80, 200] {
            let text = help::render(&App::command(), detail, width);
            let most = width.min(80);
            // A name with its value may be wider than the narrowest.
            let wide: Vec<&str> =
                text.lines().filter(|line| line.chars().count() > most && !line.starts_with("  -")).collect();
            assert_eq!(wide, [""; 0], "{width}");
        }
    }
    let [narrow, wide] = [60, 80].map(|width| help::render(&App::command(), help::Detail::All, width));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&narrow), words(&wide), "nothing is left out");
}

#[test]
fn help_has_one_screen_and_all() {
    let help = |flag: &str| {
        let error = app(&format!("app {flag}")).unwrap_err();
        assert_eq!(error.exit_code(), 0);
        error.to_string()
    };
    let (screen, everything) = (help("-h"), help("--help"));
    assert!(screen.lines().count() <= 48, "{screen}");
    for help in [&screen, &everything] {
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for heading in ["Model", "Devices", "Context", "Tests", "Statistics", "Output", "Options"] {
            assert!(help.contains(&format!("\n{heading}:\n")), "{heading}: {help}");
        }
        assert!(help.contains("-ub, --ubatch-size <N> ") && help.contains("-np, --n-parallel"), "{help}");
        assert!(help.contains("-pg, --pg <PP,TG>") && help.contains("[default: 512]"), "{help}");
    }
    assert!(!screen.contains("--cpu-strict") && screen.contains("--help prints "), "{screen}");
    assert!(everything.contains("--cpu-strict") && everything.contains("And explains it."), "{everything}");
    // The groups leave no heading behind for what follows them.
    assert!(help_section(&everything, "Options").contains("--n-parallel"), "{everything}");
    assert!(
        everything.contains("-hf, -hfr") && everything.contains("download the GGUF file"),
        "{everything}"
    );
}

/// What stands under a heading.
fn help_section<'a>(help: &'a str, heading: &str) -> &'a str {
    let (_, rest) = help.split_once(&format!("\n{heading}:\n")).unwrap();
    rest.split("\n\n").next().unwrap()
}
