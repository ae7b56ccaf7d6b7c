//! Every report has valid texts, even with odd figures.

use llama_bench_rs::with;
use std::{collections::BTreeMap, time::Duration};

use llama_bench_rs::{
    record::*,
    report::{
        answer::Answer,
        explain_markdown,
        insights::{Expectation, Statement, chat_times, insights_with, predict},
        terminal::{Style, render},
    },
    stats::{Stop, StoppingRule},
    units::{RateSpread, TokensPerSecond},
};
use proptest::{collection::vec, option, prelude::*};

/// Mostly like a benchmark's, but also none at all and as long as a file can hold.
fn time() -> impl Strategy<Value = Duration> {
    let ns = prop_oneof![
        6 => 1_000_000u64..2_000_000_000,
        1 => Just(0u64),
        1 => 0..=i64::MAX as u64,
        2 => Just(5_000_000u64),
    ];
    ns.prop_map(Duration::from_nanos)
}

fn sample() -> impl Strategy<Value = Sample> {
    (time(), vec(time(), 0..5), time(), option::of(time())).prop_map(|(elapsed, steps, at, calibration)| {
        with!(Sample { elapsed, steps, at: Some(at), calibration, disturbance: None })
    })
}

fn gpu() -> impl Strategy<Value = GpuConditions> {
    (any::<String>(), option::of(any::<u32>()), option::of(any::<u32>()), option::of(any::<String>()))
        .prop_map(|(name, clock, other, reason)| {
            with!(GpuConditions {
                name,
                sm_clock_min_mhz: clock,
                sm_clock_max_mhz: other,
                sm_clock_limit_mhz: clock,
                temperature_max_c: other,
                power_max_mw: clock,
                throttled: reason.into_iter().collect(),
            })
        })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let rewind = prop_oneof![Just(Rewind::Clear), Just(Rewind::Remove), Just(Rewind::Refill)];
    let stop = option::of(prop_oneof![Just(Stop::Precise), Just(Stop::Budget), Just(Stop::SteadyNoise)]);
    let settled = option::of(any::<bool>());
    let measured = (vec(sample(), 0..14), option::of(sample()), rewind, settled, stop, vec(gpu(), 0..3))
        .prop_map(|(samples, live, rewind, settled, stop, conditions)| {
            let warmup = with!(Warmup { n_runs: 1, settled });
            Outcome::Measured(with!(Measured {
                samples,
                set_aside: Vec::new(),
                live,
                rewind: Some(rewind),
                warmup: Some(warmup),
                stop,
                conditions,
            }))
        });
    let summarised = (time(), option::of(time()), 0.0..1e9, option::of(0.0..1e9)).prop_map(
        |(mean, stddev, rate, rate_stddev)| {
            Outcome::Summarised(Summarised {
                mean,
                stddev,
                rate: TokensPerSecond::new(rate),
                rate_stddev: rate_stddev.and_then(RateSpread::new),
            })
        },
    );
    let failed = (any::<String>(), any::<String>())
        .prop_map(|(kind, message)| Outcome::Failed(Failure::new(kind, message)));
    prop_oneof![6 => measured, 2 => summarised, 1 => failed]
}

fn cell() -> impl Strategy<Value = Cell> {
    let n_tokens = prop_oneof![Just(0u32), Just(1), Just(32), Just(2048), Just(u32::MAX)];
    let n_depth = prop_oneof![4 => (0u32..5).prop_map(|d| d * 4096), 1 => any::<u32>()];
    let group = option::weighted(0.2, (0u32..600, 0u32..600));
    let n_parallel = prop_oneof![4 => Just(1u32), 1 => 1..600u32];
    (0..3usize, n_tokens, n_depth, group, n_parallel, outcome()).prop_map(
        |(i, n, n_depth, group, n_parallel, outcome)| Cell {
            test: Test {
                kind: [TestKind::Pp, TestKind::Tg, TestKind::Embd][i](n),
                n_depth,
                group: group.map(|(n_prompt, n_gen)| Group { n_prompt, n_gen }),
                n_parallel,
            },
            started_at: String::new(),
            outcome,
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    let layers = option::of((any::<u32>(), any::<u32>()));
    (any::<String>(), any::<[u64; 3]>(), any::<i32>(), layers, option::of(any::<bool>()), time()).prop_map(
        |(text, bytes, n_gpu_layers, offloaded_layers, flash_attn, wall)| {
            let [model_bytes, context_bytes, compute_bytes] = bytes;
            let memory = with!(DeviceMemory { model_bytes, context_bytes, compute_bytes });
            with!(Header {
                model: with!(ModelInfo {
                    description: text.clone(),
                    size_bytes: Some(model_bytes),
                    n_params: Some(context_bytes),
                    n_ctx_train: Some(compute_bytes as u32),
                    ..ModelInfo::default()
                }),
                config: with!(Config {
                    n_gpu_layers: Some(n_gpu_layers),
                    stopping: Some(StoppingRule::new()),
                    ..Config::default()
                }),
                resolved: with!(Resolved {
                    offloaded_layers,
                    flash_attn,
                    n_ctx: None,
                    memory: BTreeMap::from([(text, memory)]),
                    order: None,
                }),
                load: with!(Load { elapsed: Some(wall), size_bytes: Some(model_bytes) }),
                timing: with!(Timing { wall: Some(wall), ..Timing::default() }),
                ..Header::default()
            })
        },
    )
}

fn run() -> impl Strategy<Value = Run> {
    (header(), vec(cell(), 0..12)).prop_map(|(header, cells)| Run { header, cells, curve: Vec::new() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_report_can_be_told(
        runs in vec(run(), 0..3),
        low in any::<f64>(),
        high in any::<f64>(),
        n_depth in any::<u32>(),
        width in 0usize..200,
        colour in any::<bool>(),
        unicode in any::<bool>(),
    ) {
        let report = Report { runs };
        let expected = [Expectation::new(TestKind::Pp(2048), low..high)];
        for insight in insights_with(&report, &expected) {
            let sentence = insight.to_string();
            prop_assert!(sentence.ends_with('.'), "{sentence}");
            prop_assert!(!sentence.contains(char::is_control), "{sentence:?}");
            for odd in ["NaN", "inf", "-0"] {
                // These quote texts from files.
                let quotes = matches!(
                    insight.statement,
                    Statement::Expected(_) | Statement::Failed(_) | Statement::Conditions(_)
                );
                prop_assert!(quotes || !sentence.contains(odd), "{sentence}");
            }
        }
        for run in &report.runs {
            for chat in chat_times(run) {
                // One figure must not contradict the other.
                let all = chat.token.as_nanos() as f64 * f64::from(chat.n_gen);
                let off = (all - chat.generation.as_nanos() as f64).abs();
                prop_assert!(off <= f64::from(chat.n_gen) + all * 1e-9, "{chat:?}");
                // Centuries of nanoseconds have more digits than a float.
                let seconds = |time: Duration| time.as_secs_f64() * (1.0 + 1e-9);
                prop_assert!(seconds(chat.first_token.mean) >= chat.prompt.as_secs_f64());
                let [short, long] = &chat.answers;
                prop_assert!(seconds(long.complete.mean) >= short.complete.mean.as_secs_f64(), "{chat:?}");
            }
            let _ = predict(run, TestKind::Tg(32), n_depth);
        }
        let text = render(&report, Style { colour, width, unicode, ..Style::default() });
        prop_assert!(unicode || text.is_ascii());
        let _ = explain_markdown(&report, &expected);
        let answer = Answer::of(&report, &expected);
        let sentence = answer.headline.sentence();
        prop_assert!(sentence.ends_with('.') && !sentence.contains(char::is_control), "{sentence:?}");
        for odd in ["NaN", "inf", "-0"] {
            // Of several runs it names configurations, which may be called anything.
            prop_assert!(report.runs.len() > 1 || !sentence.contains(odd), "{sentence}");
        }
        for next in &answer.next {
            prop_assert!(!next.command.contains(char::is_control), "{:?}", next.command);
        }
    }
}
