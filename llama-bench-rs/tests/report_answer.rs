//! What a report answers first: the result and its trust, the main figures by depth, what to run next.

mod report_support;

use llama_bench_rs::with;
use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::{
        answer::{Answer, Next, SpeedRange, Trust, Why},
        explain_markdown,
        insights::Level,
        read_str,
    },
};
use report_support::{assorted, failed, reference};

fn answer(report: &Report) -> Answer {
    Answer::of(report, &[])
}

fn sentence(report: &Report) -> String {
    answer(report).headline.sentence()
}

/// Every repetition's time times a factor of its cell and number.
fn scaled(factor: impl Fn(usize, usize) -> f64) -> Report {
    let mut report = reference();
    for (i, cell) in report.runs[0].cells.iter_mut().enumerate() {
        let Outcome::Measured(Measured { samples, .. }) = &mut cell.outcome else { panic!("measured") };
        for (n, sample) in samples.iter_mut().enumerate() {
            sample.elapsed = sample.elapsed.mul_f64(factor(i, n));
            sample.steps.iter_mut().for_each(|step| *step = step.mul_f64(factor(i, n)));
        }
    }
    report
}

#[test]
fn the_headline_is_the_result_and_its_trust() {
    let headline = answer(&reference()).headline;
    assert_eq!(headline.title(), "gpt-oss 20B Q4_K - Medium on NVIDIA GB10");
    assert_eq!(
        headline.sentence(),
        "Generation 90.1 t/s, 60.3 t/s at depth 32768; prompts 3714 t/s, 2029 t/s at 32768; first token after 551 ms \
         to 1.01 s; believable to ± 0.32 % within this run."
    );
    assert_eq!(headline.to_string(), format!("{}: {}", headline.title(), headline.sentence()));
    assert_eq!(headline.trust.level(), Level::Good);
    assert!(matches!(headline.speeds[0], SpeedRange::Depths { kind: TestKind::Tg(32), .. }));
}

#[test]
fn a_large_spread_is_not_to_be_believed() {
    // One repetition takes three times as long.
    let report = scaled(|cell, n| if (cell, n) == (1, 2) { 3.0 } else { 1.0 });
    let Trust::Unbelievable { test, spread, .. } = answer(&report).headline.trust else { panic!() };
    assert_eq!((test.kind, test.n_depth), (TestKind::Tg(32), 0));
    assert!(sentence(&report).contains("; not to be believed: spread "), "{}", sentence(&report));
    assert!(spread.get() > 0.3, "{spread}");
}

#[test]
fn a_busy_machine_is_named() {
    let mut report = scaled(|cell, n| if cell == 1 { 1.0 + 0.2 * n as f64 } else { 1.0 });
    for cell in &mut report.runs[0].cells {
        let Outcome::Measured(Measured { samples, .. }) = &mut cell.outcome else { panic!("measured") };
        for sample in samples {
            let lost = sample.elapsed / 5;
            sample.disturbance =
                Some(with!(Disturbance { n_threads: Some(2), waited: Some(lost), ..Disturbance::default() }));
        }
    }
    assert!(sentence(&report).ends_with(" in tg32, machine busy."), "{}", sentence(&report));
    let mut steady = reference();
    steady.runs[0].cells = report.runs[0].cells.clone();
    steady.runs[0].cells.remove(1);
    let Trust::Within { but, .. } = answer(&steady).headline.trust else { panic!() };
    assert_eq!(but, Some(Why::Busy));
    assert!(sentence(&steady).contains("within this run at best: machine busy"), "{}", sentence(&steady));
}

#[test]
fn few_repetitions_are_named_as_the_reason() {
    let headline = answer(&assorted()).headline;
    assert!(matches!(headline.trust, Trust::Unbelievable { why: Some(Why::FewRepetitions(2)), .. }));
    assert!(
        headline
            .trust_words()
            .ends_with("the mean of tg16 @ d4608 (pg512+16) is known to ± 7.9 %, only 2 repetitions")
    );
    assert!(headline.trust_line().ends_with(" (±: half the 95 % interval of a mean)"));
    assert!(headline.trust_words().starts_with("1 of 2 configurations doubtful, worst "));
}

#[test]
fn what_is_not_known_is_not_called_believable() {
    let mut once = reference();
    for cell in &mut once.runs[0].cells {
        let Outcome::Measured(Measured { samples, .. }) = &mut cell.outcome else { panic!("measured") };
        samples.truncate(1);
    }
    assert_eq!(answer(&once).headline.trust, Trust::Once);
    let published = read_str(include_str!("fixtures/reference-run.json")).unwrap().report;
    assert!(sentence(&published).ends_with("(the spread of 8 of 10 tests is not known)."));
    let mut nothing = reference();
    nothing.runs[0].cells = vec![failed(TestKind::Pp(2048), 0), failed(TestKind::Tg(32), 0)];
    assert_eq!(sentence(&nothing), "Nothing was measured: 2 cells failed.");
    assert!(answer(&nothing).next.is_empty(), "there is nothing to repeat");
}

#[test]
fn the_pivot_has_speeds_and_waits_with_their_intervals() {
    let answer = answer(&reference());
    let [configuration] = &answer.configurations[..] else { panic!() };
    let pivot = &configuration.pivot;
    assert_eq!((pivot.prefill, pivot.generation), (Some(TestKind::Pp(2048)), Some(TestKind::Tg(32))));
    let depths: Vec<u32> = pivot.rows.iter().map(|row| row.n_depth).collect();
    assert_eq!(depths, [0, 4096, 8192, 16384, 32768]);
    let deepest = &pivot.rows[4];
    assert_eq!(deepest.prefill.unwrap().to_string(), "2029 ± 4.0 t/s");
    assert_eq!(deepest.generation.unwrap().bare(), "60.3 ± 0.12");
    assert_eq!(deepest.first_token.unwrap().to_string(), "1.01 s ± 2.0 ms");
    // 1.0094 s + 99 / 60.3 s, + 499 / 60.3 s
    assert_eq!(deepest.answers.map(|time| time.unwrap().to_string()), ["2.65 s ± 3.3 ms", "9.28 s ± 16 ms"]);
}

/// The generation of a pg test follows its prompt: they are one row.
#[test]
fn the_halves_of_a_pg_test_stand_beside_each_other() {
    let mut report = assorted();
    report.runs.truncate(1);
    report.runs[0].cells.retain(|cell| cell.test.group.is_some());
    let answer = answer(&report);
    let [row] = &answer.configurations[0].pivot.rows[..] else { panic!("{answer:?}") };
    assert_eq!(row.n_depth, 4096);
    assert!(row.prefill.is_some() && row.generation.is_some() && row.first_token.is_some());
}

#[test]
fn several_runs_of_one_configuration_are_one_row_with_intervals_between_runs() {
    let one = |percent: f64| scaled(|_, _| percent / 100.0).runs.remove(0);
    let report = Report { runs: [100.0, 103.0, 97.0].map(one).to_vec() };
    let answer = answer(&report);
    let [configuration] = &answer.configurations[..] else { panic!() };
    assert_eq!(configuration.runs, [0, 1, 2]);
    let row = &configuration.pivot.rows[0];
    let width = row.generation.unwrap().relative_half_width().unwrap().get();
    assert!((0.02..0.15).contains(&width), "runs lie 3 % apart, their repetitions 0.2 %: {width}");
    let first = row.first_token.unwrap();
    assert!(first.half_width.unwrap() > first.time / 50, "{first}");
    // The first token comes with the prompt: its time is as certain as the prompt's speed, with two runs too.
    let two = Answer::of(&Report { runs: report.runs[..2].to_vec() }, &[]);
    let row = &two.configurations[0].pivot.rows[0];
    let first = row.first_token.unwrap();
    let of_time = first.half_width.unwrap().as_secs_f64() / first.time.as_secs_f64();
    let of_speed = row.prefill.unwrap().relative_half_width().unwrap().get();
    assert!((of_time / of_speed - 1.0).abs() < 0.01, "{of_time} {of_speed}");
    assert!(answer.headline.sentence().contains(" between 3 runs") || answer.headline.n_doubtful == 1);
    assert_eq!(answer.headline.title(), "gpt-oss 20B Q4_K - Medium on NVIDIA GB10, 3 runs");
    // Repetitions do not show how far runs lie apart.
    let apart = command(&answer.next, "--runs");
    assert!(
        apart.ends_with(" --runs 3") && answer.next[0].why.starts_with("on a quieter machine"),
        "{:#?}",
        answer.next
    );
    let alike = Report { runs: [100.0, 100.1, 99.9].map(one).to_vec() };
    let next = Answer::of(&alike, &[]).next;
    let n: usize = command(&next, "--runs ").rsplit(' ').next().unwrap().parse().unwrap();
    assert!((4..=20).contains(&n) && next[0].why.starts_with("for ± 1 % between runs in "), "{next:#?}");
}

#[test]
fn several_configurations_are_named_and_ranged() {
    let mut report = reference();
    let mut slow = scaled(|_, _| 2.0).runs.remove(0);
    slow.header.config.n_ubatch = Some(512);
    report.runs.push(slow);
    let answer = answer(&report);
    let names: Vec<&str> = answer.configurations.iter().map(|it| it.name.as_str()).collect();
    assert!(names[0].contains("2048") && names[1].contains("512"), "{names:?}");
    assert!(answer.headline.title().ends_with(", 2 configurations"));
    let sentence = answer.headline.sentence();
    assert!(
        sentence.starts_with(&format!("Generation 45.0 to 90.1 t/s (highest: {});", names[0])),
        "{sentence}"
    );
    assert!(
        sentence.contains(&format!("worst in {}", names[0])) || sentence.contains("worst in"),
        "{sentence}"
    );
    assert_eq!(answer.rows().len(), 10, "two configurations at five depths");
}

/// Of a dozen configurations with the same complaint three are shown in full, with the number of the others.
#[test]
fn warnings_of_a_kind_do_not_flood_the_screen() {
    let of = |n: u32| {
        let mut run = assorted().runs.remove(0);
        run.header.config.n_ubatch = Some(n);
        run.cells.retain(|cell| cell.test.group.is_some());
        let Outcome::Measured(Measured { samples, .. }) = &mut run.cells[0].outcome else {
            panic!("measured")
        };
        samples[0].elapsed += Duration::from_millis(u64::from(n));
        run
    };
    let report = Report { runs: (1..=12).map(|n| of(100 * n)).collect() };
    let said = answer(&report).said;
    let wide: Vec<_> = said.iter().filter(|said| said.text.contains("too much to believe")).collect();
    assert_eq!(wide.len(), 3, "{said:#?}");
    assert!(wide.iter().all(|said| said.of.contains("00")), "{wide:#?}");
    let more = "The same kind of warning in 9 more runs: ub 400; ub 500; ub 600; ub 700 and 5 more.";
    assert!(said.iter().any(|said| said.text == more), "{said:#?}");
    assert!(said.iter().take(4).all(|said| said.level == Level::Warning), "{said:#?}");
}

fn command<'a>(next: &'a [Next], part: &str) -> &'a str {
    let found: Vec<&Next> = next.iter().filter(|next| next.command.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {next:#?}");
    &found[0].command
}

#[test]
fn what_to_run_next_is_a_command() {
    let next = answer(&reference()).next;
    assert_eq!(next.len(), 2, "{next:#?}");
    assert_eq!(
        command(&next, "-npl"),
        "cargo run --release --features cuda --example sweep -- -m models/gpt-oss-20b-Q4_K_M.gguf -p 2048 -n 32 -d 0,4096 \
         -npl 1,2,4,8,16 -ngl 99 -t 20 -ub 2048 -fa 1 -lm none"
    );
    assert_eq!(
        command(&next, "generate"),
        "cargo run --release --features cuda --example generate -- -m models/gpt-oss-20b-Q4_K_M.gguf -ngl 99"
    );
    let mut report = scaled(|cell, n| if cell == 0 { [0.97, 1.02, 0.99, 1.03, 1.0][n] } else { 1.0 });
    report.runs[0].cells.truncate(2);
    let next = answer(&report).next;
    let repeat = command(&next, " -r ");
    assert!(
        repeat.starts_with(
            "cargo run --release --features cuda --example sweep -- -m models/gpt-oss-20b-Q4_K_M.gguf -p 2048 -n 32 \
             -ngl 99 -t 20 -ub 2048 -fa 1 -lm none -r "
        ),
        "{repeat}"
    );
    assert!(command(&next, "-d 0,4096,16384").ends_with("-fa 1 -lm none"));
}

/// More repetitions do not help on a machine with two speeds.
#[test]
fn more_repetitions_are_not_advised_where_they_do_not_help() {
    let steady = [0.1, -0.8, 0.9, -0.3, 0.5, -0.9, 0.3, 0.7, -0.6, -0.1];
    let mut report = reference();
    for (i_cell, cell) in report.runs[0].cells.iter_mut().enumerate() {
        let mean = cell.time_summary().unwrap().mean;
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        let sample = |i: usize| {
            let held_up = if (i_cell, i) == (4, 6) { 30.0 } else { 0.0 };
            let percent = steady[(i * 3 + i_cell) % 10] + held_up;
            with!(Sample {
                elapsed: mean.mul_f64(1.0 + percent / 100.0),
                at: Some(Duration::from_secs(i as u64)),
                ..Sample::default()
            })
        };
        measured.samples = (0..10).map(sample).collect();
    }
    let answer = answer(&report);
    assert!(answer.next.iter().all(|next| !next.command.contains(" -r ")), "{:#?}", answer.next);
    assert!(command(&answer.next, "--runs 3").contains("--example sweep"));
    assert!(sentence(&report).contains("repetitions fall into two groups"), "{}", sentence(&report));
}

#[test]
fn percentiles_stand_beside_every_mean() {
    let answer = answer(&reference());
    let percentiles = &answer.configurations[0].percentiles;
    assert_eq!(percentiles.len(), 10);
    for it in percentiles {
        let spread = it.spread.unwrap();
        assert_eq!(spread.n, if it.test.kind.is_generation() { 160 } else { 5 });
        assert!(spread.p50 <= spread.p90 && spread.p90 <= spread.p99 && spread.p99 <= spread.max);
        assert!(it.mean <= spread.max);
    }
    // One token of 32, not all of them.
    assert!(percentiles[1].mean.abs_diff(Duration::from_micros(11_104)) < Duration::from_micros(30));
    let text = explain_markdown(&reference(), &[]);
    assert!(text.contains("| test | mean | p50 | p90 | p99 | max | n |"), "{text}");
}

#[test]
fn why_speed_falls_is_said_only_if_it_does() {
    assert!(answer(&reference()).why_falls().is_some_and(|why| why.prefill && why.generation));
    let mut flat = reference();
    flat.runs[0].cells.retain(|cell| cell.test.n_depth == 0);
    assert_eq!(answer(&flat).why_falls(), None);
    let mut level = reference();
    for cell in &mut level.runs[0].cells {
        let shallow = reference().cell(cell.test.kind, 0).unwrap().outcome.clone();
        cell.outcome = shallow;
    }
    assert_eq!(answer(&level).why_falls(), None, "speeds at all depths are the same");
}

#[test]
fn names_in_a_file_cannot_run_or_mark_up_anything() {
    let mut report = reference();
    report.runs[0].header.model.filename = "$(reboot) `x`\n```\n<b>'.gguf".into();
    let text = explain_markdown(&report, &[]);
    let fences: Vec<&str> = text.lines().filter(|line| line.starts_with("```")).collect();
    assert_eq!(fences.len(), 2, "{text}");
    assert!(fences[0].trim_end_matches("sh").len() > 3, "longer than any within: {fences:?}");
    assert!(command(&answer(&report).next, "-npl").contains(r"'$(reboot) `x````<b>'\''.gguf'"));
}
