//! What the report says in words, mainly what was wrong in the text of the reference run.

mod report_support;

use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::{
        explain_markdown, header_facts, header_text,
        insights::{
            Expectation, Insight, Level, Statement, Verdict, chat_times, insights, insights_with, predict,
        },
        read_str,
    },
    stats::{Stop, StoppingRule},
    units::words::duration,
    with,
};
use report_support::{
    assorted, reference,
    said::{all, cell, saying},
};

/// The reference run in llama-bench's format: samples of one cell, means of the others.
const PUBLISHED: &str = include_str!("fixtures/reference-run.json");

fn published() -> Report {
    read_str(PUBLISHED).unwrap().report
}

#[test]
fn a_prompt_takes_551_ms_not_half_a_millisecond() {
    let report = published();
    let chat = &chat_times(&report.runs[0])[0];
    assert_eq!((chat.n_depth, chat.n_prompt), (0, 2048));
    assert_eq!(duration(chat.prompt), "551 ms");
    assert!(saying(&report, "In an empty context").contains("a prompt of 2048 tokens takes 551 ms,"));
}

#[test]
fn a_token_takes_11_ms_and_32_take_355_ms() {
    let report = published();
    let chat = &chat_times(&report.runs[0])[0];
    assert_eq!(
        (chat.n_gen, duration(chat.generation), duration(chat.token)),
        (32, "355 ms".into(), "11.1 ms".into())
    );
    assert!(saying(&report, "In an empty context").contains("32 generated tokens take 355 ms, 11.1 ms each"));
}

#[test]
fn the_first_token_comes_with_the_prompt_after_551_ms_and_not_half_a_millisecond() {
    let report = published();
    let chat = &chat_times(&report.runs[0])[0];
    let first = chat.first_token.mean;
    assert!((Duration::from_micros(551_400)..Duration::from_micros(551_500)).contains(&first), "{first:?}");
    assert_eq!(first, chat.prompt, "it is sampled from the prompt's own logits");
    assert!(
        saying(&report, "In an empty context").contains("the first token comes after 551 ms (± 1.74 ms),")
    );
    let full = chat_times(&report.runs[0]).pop().unwrap();
    // 2048 / 2028.92 s
    assert_eq!((full.n_depth, duration(full.first_token.mean)), (32768, "1.01 s".into()));
}

/// An encoder has no logits: the first token comes with the decoder's first step.
#[test]
fn the_first_token_after_an_encoder_comes_with_the_first_step() {
    let mut report = reference();
    let us = |us: u64| Duration::from_micros(us);
    for sample in &mut cell(&mut report, TestKind::Tg(32), 0).samples {
        sample.steps = [14_000].into_iter().chain([10_000; 31]).map(us).collect();
        sample.elapsed = sample.steps.iter().sum();
    }
    for (architecture, description) in [("t5", "t5 ?B all F32"), ("", "t5 220M F16")] {
        let model = &mut report.runs[0].header.model;
        (model.architecture, model.description) = (architecture.into(), description.into());
        let chat = &chat_times(&report.runs[0])[0];
        assert!(chat.first_token.mean.abs_diff(chat.prompt + us(14_000)) < us(1), "{chat:?}");
        let generations = chat.answers.clone().map(|answer| answer.generation);
        assert_eq!(generations, [us(1_000_000 + 4_000), us(5_000_000 + 4_000)]);
    }
}

#[test]
fn an_answer_pays_for_slow_first_steps_once() {
    let mut report = reference();
    let us = |us: u64| Duration::from_micros(us);
    for sample in &mut cell(&mut report, TestKind::Tg(32), 0).samples {
        sample.steps = [14_000, 13_000].into_iter().chain([10_000; 30]).map(us).collect();
        sample.elapsed = sample.steps.iter().sum();
    }
    let chat = &chat_times(&report.runs[0])[0];
    // 99 and 499 steps, 7 ms longer in all.
    let generations = chat.answers.clone().map(|answer| answer.generation);
    assert_eq!(generations, [us(990_000 + 7_000), us(4_990_000 + 7_000)]);
    for answer in &chat.answers {
        assert!(answer.complete.mean.abs_diff(chat.prompt + answer.generation) < us(1));
    }
    assert_eq!(
        saying(&report, "The first 2 steps"),
        "The first 2 steps of tg32 take together 7.00 ms longer than steady ones of 10.0 ms: that is paid once an \
         answer, not per token."
    );
}

#[test]
fn prompt_processing_falls_1_4_times_as_much_as_generation_not_4_times() {
    let report = published();
    let sentence = saying(&report, "times as much speed");
    assert_eq!(
        sentence,
        "Prompt processing loses 1.37 times as much speed as generation from an empty context to a context of 32768 \
         tokens: by 45.4 % and by 33.0 %."
    );
    assert!(saying(&report, "Prompt processing (pp2048)").contains("is 45.4 % slower"));
    assert!(saying(&report, "Generation (tg32)").contains("is 33.0 % slower"));
}

#[test]
fn answers_of_100_and_500_tokens_in_an_empty_and_a_full_context() {
    let report = published();
    let chats = chat_times(&report.runs[0]);
    assert_eq!(chats.len(), 5);
    let [short, long] = &chats[0].answers;
    // 0.5515 s + 99 / 90.06 s, + 499 / 90.06 s
    assert_eq!(
        (duration(short.complete.mean), duration(long.complete.mean)),
        ("1.65 s".into(), "6.09 s".into())
    );
    assert_eq!(duration(short.generation), "1.10 s");
    let [short, long] = &chats[4].answers;
    assert_eq!(
        (duration(short.complete.mean), duration(long.complete.mean)),
        ("2.65 s".into(), "9.28 s".into())
    );
}

#[test]
fn what_llama_bench_does_not_write_is_left_out() {
    let report = published();
    insta::assert_snapshot!(all(&report));
    let chats = chat_times(&report.runs[0]);
    // Only of the first prompt the samples are published.
    assert!(chats[0].first_token.ci95.is_some() && chats[0].answers[0].complete.ci95.is_none());
    assert_eq!(chats[1].first_token.ci95, None);
    let statements = insights(&report);
    let is_of_our_records =
        |i: &&Insight| matches!(i.statement, Statement::Setup(_) | Statement::Steps(_) | Statement::Noise(_));
    assert_eq!(statements.iter().find(is_of_our_records), None);
}

#[test]
fn samples_give_every_statement_its_interval() {
    insta::assert_snapshot!(all(&reference()));
}

#[test]
fn two_runs_with_failures_and_halves() {
    insta::assert_snapshot!(all(&assorted()));
    let runs: Vec<usize> = insights(&assorted()).iter().map(|insight| insight.run).collect();
    assert!(runs.is_sorted() && runs.contains(&1));
}

#[test]
fn llama_benchs_own_file() {
    insta::assert_snapshot!(all(&read_str(include_str!("fixtures/llama-bench.json")).unwrap().report));
    insta::assert_snapshot!(all(&read_str(include_str!("fixtures/llama-bench.csv")).unwrap().report));
}

#[test]
fn what_was_expected_is_held_against_what_was_measured() {
    let check = |kind, range, depth| {
        let expectation = Expectation::new(kind, range).at_depth(depth);
        let insights = insights_with(&published(), &[expectation]);
        let found = insights.iter().find_map(|i| match &i.statement {
            Statement::Expected(expected) => Some((expected.verdict, i.level(), i.to_string())),
            _ => None,
        });
        found.unwrap()
    };
    let pp = TestKind::Pp(2048);
    let (verdict, level, sentence) = check(pp, 2000.0..3000.0, 0);
    assert_eq!((verdict, level), (Verdict::Exceeds, Level::Warning));
    assert_eq!(
        sentence,
        "pp2048: 2000 to 3000 t/s expected, 3713.75 t/s measured (3484.74 to 3957.82 t/s, one run; runs are \
         assumed to lie 2 % apart): exceeds the expectation."
    );
    assert_eq!(check(pp, 3000.0..4000.0, 0).0, Verdict::AsExpected);
    assert_eq!(check(pp, 3720.0..4000.0, 0).0, Verdict::OnTheEdge);
    assert_eq!(check(pp, 4000.0..5000.0, 0).0, Verdict::FallsShort);
    assert_eq!(check(TestKind::Tg(32), 50.0..56.0, 32768).0, Verdict::Exceeds);
    let (verdict, level, sentence) = check(TestKind::Tg(128), 50.0..60.0, 4096);
    assert_eq!((verdict, level), (Verdict::NotMeasured, Level::Warning));
    assert_eq!(sentence, "tg128 @ d4096: 50 to 60 t/s expected, not measured.");
}

#[test]
fn expectations_are_read_from_text() {
    let said = |text: &str| text.parse::<Expectation>().unwrap().check(&published().runs[0]).to_string();
    let pp = Expectation::new(TestKind::Pp(2048), 2000.0..3000.0);
    assert_eq!("pp2048=2000..3000".parse(), Ok(pp));
    let tg = Expectation::new(TestKind::Tg(32), 50.5..60.0).at_depth(4096);
    assert_eq!("tg32@4096=50.5..60".parse(), Ok(tg.clone()));
    assert_eq!("tg32 @ d4096 = 50.5 .. 60".parse(), Ok(tg));
    assert_eq!(
        said("pp2048=3000.."),
        "pp2048: at least 3000 t/s expected, 3713.75 t/s measured (3484.74 to 3957.82 t/s, one run; runs are \
         assumed to lie 2 % apart): as expected."
    );
    assert_eq!(
        said("pp2048=..3000"),
        "pp2048: at most 3000 t/s expected, 3713.75 t/s measured (3484.74 to 3957.82 t/s, one run; runs are \
         assumed to lie 2 % apart): exceeds the expectation."
    );
    for wrong in
        ["", "pp2048", "pp2048=2000", "pp=1..2", "pp0=1..2", "tg32@=1..2", "xx1=1..2", "tg32=2..1", "tg32=.."]
    {
        let error = wrong.parse::<Expectation>().unwrap_err().to_string();
        assert!(error.contains(&format!("{wrong:?}")) && error.contains("tg32@4096=50.."), "{error}");
    }
    assert!("tg32=nan..1".parse::<Expectation>().is_err());
}

#[test]
fn a_prediction_says_that_it_is_one() {
    let report = published();
    let prediction = predict(&report.runs[0], TestKind::Tg(32), 65_536).unwrap();
    assert!(prediction.predicted.is_extrapolated);
    // statsmodels' WLS of 1 / rate over the depth, weights rate²
    assert!((prediction.predicted.rate.get() - 44.776_228).abs() < 1e-4, "{:?}", prediction.predicted);
    assert!(saying(&report, "tg32 @ d65536").starts_with("Predicted, not measured: "));
    let within = predict(&report.runs[0], TestKind::Pp(2048), 12_288).unwrap();
    assert!(!within.predicted.is_extrapolated && within.to_string().starts_with("Predicted, not measured: "));
    assert_eq!(predict(&report.runs[0], TestKind::Tg(64), 12_288), None);
}

#[test]
fn what_llama_cpp_made_of_the_configuration() {
    let mut report = reference();
    assert_eq!(
        saying(&report, "layers (output layer counted)"),
        "25 of 25 layers (output layer counted) are on devices, 99 asked for."
    );
    let header = &mut report.runs[0].header;
    header.resolved.offloaded_layers = Some((12, 25));
    header.resolved.flash_attn = Some(false);
    cell(&mut report, TestKind::Pp(2048), 4096).rewind = Some(Rewind::Refill);
    let level =
        |what: &str| insights(&report).iter().find(|i| i.to_string().contains(what)).map(Insight::level);
    assert_eq!(level("12 of 25 layers"), Some(Level::Warning));
    assert_eq!(level("Flash attention was asked for but was not used."), Some(Level::Warning));
    assert_eq!(
        level("filled again before each repetition of 1 cell, first in pp2048 @ d4096"),
        Some(Level::Note)
    );
    let header = &mut report.runs[0].header;
    header.config.n_gpu_layers = Some(12);
    assert!(saying(&report, "12 of 25 layers").ends_with("12 asked for."));
}

#[test]
fn layers_on_the_cpu_are_no_warning_if_no_device_was_to_be_used() {
    let mut report = reference();
    let header = &mut report.runs[0].header;
    header.resolved.offloaded_layers = Some((0, 25));
    header.host.devices.push(with!(DeviceInfo { name: "CPU".into(), kind: "cpu".into() }));
    for (devices, level, asked) in [
        ("auto", Level::Warning, "99 asked for: the rest"),
        ("CUDA0", Level::Warning, "99 asked for: the rest"),
        ("CUDA0/CPU", Level::Warning, "99 asked for: the rest"),
        ("none", Level::Note, "0 asked for."),
        ("CPU", Level::Note, "0 asked for."),
    ] {
        report.runs[0].header.config.devices = devices.into();
        let said = insights(&report);
        let said = said.iter().find(|it| it.to_string().contains("0 of 25 layers")).unwrap();
        assert_eq!(said.level(), level, "{devices}: {said}");
        assert!(said.to_string().contains(asked), "{devices}: {said}");
    }
}

#[test]
fn what_ended_the_repetitions() {
    let mut report = reference();
    assert!(!all(&report).contains("Repeated until"), "their number was fixed");
    report.runs[0].header.config.stopping = Some(StoppingRule::new());
    for cell in &mut report.runs[0].cells {
        let Outcome::Measured(measured) = &mut cell.outcome else { continue };
        measured.stop = Some(Stop::Precise);
    }
    let sentence = "Repeated until each of 10 cells was known to ± 1.0 %.";
    assert_eq!(saying(&report, "Repeated until"), sentence);
    cell(&mut report, TestKind::Tg(32), 8192).stop = Some(Stop::Maximum);
    assert_eq!(
        saying(&report, "did not reach"),
        "1 of 10 cells did not reach ± 1.0 %: in tg32 @ d8192 the limit of 100 repetitions was reached."
    );
    assert!(header_text(&report.runs[0]).contains("until ± 1.0 %, at most 100 repetitions"));
}

#[test]
fn what_the_gpu_did_meanwhile() {
    let mut report = reference();
    assert_eq!(
        saying(&report, "NVIDIA GB10"),
        "Nothing held the clocks of NVIDIA GB10 down (2405 to 2418 MHz, at most 63 °C, at most 58 W)."
    );
    let slowed = &mut cell(&mut report, TestKind::Pp(2048), 16384).conditions[0];
    slowed.throttled.insert("sw_power_cap".into());
    slowed.sm_clock_min_mhz = Some(1200);
    assert_eq!(
        saying(&report, "NVIDIA GB10"),
        "The clocks of NVIDIA GB10 were held down (the power limit, sw_power_cap) in 1 cell, first in pp2048 @ d16384: \
         as low as 1200 MHz of 3003 MHz. It can do more than these figures."
    );
}

#[test]
fn the_header_says_what_is_known() {
    insta::assert_snapshot!(header_text(&reference().runs[0]));
    insta::assert_snapshot!(header_text(&published().runs[0]));
    let facts = header_facts(&reference().runs[0]);
    let find = |label: &str| &facts.iter().find(|fact| fact.label == label).unwrap().value;
    assert!(find("Placement").contains("25 of 25 layers on devices (99 asked for)"));
    assert!(find("Run").contains("3 min 3 s in all"));
}

#[test]
fn markdown_around_the_table() {
    insta::assert_snapshot!(explain_markdown(
        &assorted(),
        &[Expectation::new(TestKind::Pp(2048), 2000.0..3000.0)]
    ));
}

#[test]
fn an_empty_report_says_nothing() {
    assert_eq!(insights(&Report::default()), []);
    assert_eq!(explain_markdown(&Report::default(), &[]), "");
}
