//! What a person sees in a terminal.

mod report_support;

use llama_bench_rs::{
    record::{FlashAttnSetting, Measured, Outcome, Report, TestKind},
    report::{
        insights::Expectation,
        read_str,
        terminal::{Style, render, render_with},
    },
};
use report_support::{assorted, failed, reference};

/// A narrow terminal, the usual one, a wide one.
const WIDTHS: [usize; 3] = [60, 80, 200];

fn at(width: usize) -> Style {
    Style { width, ..Style::default() }
}

fn expected() -> [Expectation; 2] {
    ["pp2048=2000..3000", "tg32@32768=70.."].map(|text| text.parse().unwrap())
}

/// The reference run with other batches: one is slower, one does not fit and one was measured three times.
fn several() -> Report {
    let of = |n_ubatch: u32, flash_attn: FlashAttnSetting, percent: u32| {
        let mut run = reference().runs.remove(0);
        run.header.config.n_ubatch = Some(n_ubatch);
        run.header.config.flash_attn = Some(flash_attn);
        run.curve.clear();
        for cell in &mut run.cells {
            let Outcome::Measured(Measured { samples, .. }) = &mut cell.outcome else { panic!("measured") };
            samples.iter_mut().for_each(|sample| {
                sample.elapsed = sample.elapsed * 100 / percent;
                sample.steps.iter_mut().for_each(|step| *step = *step * 100 / percent);
            });
        }
        run.cells.retain(|cell| [0, 32768].contains(&cell.test.n_depth));
        run
    };
    let (on, off) = (FlashAttnSetting::On, FlashAttnSetting::Off);
    let mut too_large = of(4096, on, 100);
    too_large.cells = vec![failed(TestKind::Pp(2048), 0), failed(TestKind::Tg(32), 0)];
    let mut runs = vec![of(2048, on, 100), of(512, off, 50), too_large];
    runs.extend([98, 99, 97].map(|percent| of(1024, on, percent)));
    Report { runs }
}

#[test]
fn one_configuration() {
    for width in WIDTHS {
        insta::assert_snapshot!(format!("one_{width}"), render_with(&reference(), &expected(), at(width)));
    }
}

#[test]
fn several_configurations() {
    for width in WIDTHS {
        insta::assert_snapshot!(format!("several_{width}"), render_with(&several(), &expected(), at(width)));
    }
}

#[test]
fn failures_and_halves() {
    for width in WIDTHS {
        insta::assert_snapshot!(format!("assorted_{width}"), render(&assorted(), at(width)));
    }
}

#[test]
fn coloured() {
    let style = Style { colour: true, ..at(80) };
    // Escape sequences, made visible.
    insta::assert_snapshot!(render_with(&assorted(), &expected(), style).replace('\u{1b}', "␛"));
}

#[test]
fn ascii_and_narrow() {
    let text = render(&assorted(), Style { width: 48, unicode: false, ..Style::default() });
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn llama_benchs_file() {
    let report = read_str(include_str!("fixtures/reference-run.json")).unwrap().report;
    insta::assert_snapshot!(render(&report, at(80)));
}

#[test]
fn lines_keep_to_the_width() {
    for width in [60, 72, 80, 100, 132, 200] {
        for report in [reference(), assorted(), several(), tied()] {
            for line in render_with(&report, &expected(), at(width)).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

/// Six configurations, each as fast as the others: sentences of the ranking are long.
fn tied() -> Report {
    let run = several().runs.remove(0);
    let of = |(n_ubatch, flash_attn)| {
        let mut run = run.clone();
        (run.header.config.n_ubatch, run.header.config.flash_attn) = (Some(n_ubatch), Some(flash_attn));
        run
    };
    let each =
        |n_ubatch| [FlashAttnSetting::Off, FlashAttnSetting::On].map(|flash_attn| (n_ubatch, flash_attn));
    Report { runs: [512, 1024, 2048].into_iter().flat_map(each).map(of).collect() }
}

#[test]
fn the_next_best_stands_below_the_table_of_a_narrow_terminal() {
    let sentences = |width: usize| {
        let text = render(&tied(), at(width));
        let ranking = text.split("\n\nBy depth").next().unwrap().to_owned();
        ranking.split_whitespace().collect::<Vec<_>>().join(" ").matches(", nor from 4 more").count()
    };
    assert_eq!([60, 80, 200].map(sentences), [4; 3], "one for each test");
}

/// The reader of an answer does not scroll past the configuration.
#[test]
fn the_answer_comes_first_and_the_configuration_last() {
    for report in [reference(), several(), assorted()] {
        let text = render_with(&report, &expected(), at(80));
        let first: Vec<&str> = text.lines().take(3).collect();
        assert!(first[0].starts_with("gpt-oss 20B Q4_K - Medium on NVIDIA GB10"), "{first:?}");
        assert!(first[1].starts_with("Generation "), "{first:?}");
        let places: Vec<usize> =
            ["By depth\n", "Every test\n", "What it means\n", "Expected\n", "Next\n", "Configuration\n"]
                .iter()
                .map(|heading| {
                    text.find(&format!("\n{heading}")).unwrap_or_else(|| panic!("{heading}{text}"))
                })
                .collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}

/// Each wish of the reader of the reference run, on a terminal of the usual width.
#[test]
fn every_wish_of_the_reference_runs_reader_is_on_the_screen() {
    let text = render_with(&reference(), &expected(), at(80));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wishes = [
        // What, quantization, GPU, memory, layers, flash attention, batch, mapping, date, duration.
        "gpt-oss 20B Q4_K - Medium on NVIDIA GB10",
        "119.70 GiB of memory",
        "25 of 25 layers on devices (99 asked for)",
        "Flash attention: on asked for, used",
        "2048 at a time (ubatch)",
        "copied, not memory-mapped",
        "2025-11-03T10:00:00Z, 3 min 3 s in all",
        // The table, and the time that each cell means: a prompt of 2048 tokens, a token.
        "0 3714 ± 12 90.1 ± 0.18 551 ms ± 1.7 ms 1.65 s ± 2.3 ms 6.09 s ± 11 ms",
        "32768 2029 ± 4.0 60.3 ± 0.12 1.01 s ± 2.0 ms 2.65 s ± 3.3 ms 9.28 s ± 16 ms",
        "551 ms 552 ms 552 ms 552 ms 552 ms 5",
        "11.1 ms 11.1 ms 11.1 ms 11.1 ms 11.1 ms 160",
        // The fall, which of the two falls faster, and why.
        "is 45.4 % slower",
        "is 33.0 % slower",
        "1.37 times as much speed",
        "Speed falls with depth because",
        // What it means for chat.
        "first token after 551 ms to 1.01 s",
        // Whether to believe it.
        "believable to ± 0.32 % within this run",
        // Expected against measured.
        "pp2048 2000 to 3000 t/s 3714 (3485 to 3958) t/s exceeds",
        "tg32 @ d32768 at least 70 t/s",
        // What to run next.
        "--example sweep -- -m models/gpt-oss-20b-Q4_K_M.gguf -p 2048 -n 32 -d 0,4096 -npl 1,2,4,8,16",
        "--example generate -- -m models/gpt-oss-20b-Q4_K_M.gguf",
    ];
    let words = words.replace(" \\ ", " ");
    for wish in wishes {
        assert!(words.contains(wish), "no {wish:?} in\n{text}");
    }
    // What the reference text got wrong: latencies off by a thousand, four times as much, 99 of 24 layers.
    for wrong in ["0.55 ms", "3.55 ms", "4 times as much", "99 of 24"] {
        assert!(!words.contains(wrong), "{wrong:?} in\n{text}");
    }
}

/// Which one to take is said before any table of figures.
#[test]
fn the_best_of_several_configurations_follows_the_headline() {
    let text = render(&several(), at(100));
    let heading = text.lines().position(|line| line.contains(" configurations:")).expect(&text);
    let by_depth = text.lines().position(|line| line == "By depth").unwrap();
    assert!(heading < by_depth, "{text}");
    assert!(text.contains("against ub 512 fa 0") || text.contains("against ub 2048 fa 1"), "{text}");
    assert_eq!(text.matches(" configurations:").count(), 1, "{text}");
    let one = render(&reference(), at(100));
    assert!(!one.contains("configurations:"), "{one}");
}

/// One scale over all configurations: half as fast is half as long.
#[test]
fn bars_are_on_one_scale() {
    let text = render(&several(), at(80));
    let every = &text[text.find("Every test").unwrap()..text.find("What it means").unwrap()];
    let lengths = |test: &str| -> Vec<usize> {
        let lines = every.lines().skip_while(move |line| *line != test).skip(1);
        let lines = lines.take_while(|line| !line.starts_with("tg") && !line.starts_with("pp"));
        lines.filter(|line| line.contains('±')).map(|line| line.matches('█').count()).collect()
    };
    let (prompts, deep) = (lengths("pp2048"), lengths("pp2048 @ d32768"));
    assert_eq!((prompts.len(), deep.len()), (3, 3), "{every}");
    assert!(prompts[0] >= 8 && prompts[1] == prompts[0] / 2, "{prompts:?}");
    // 2029 of 3714 t/s.
    assert!(deep[0] * 3714 <= (prompts[0] + 1) * 2029 && deep[0] >= prompts[0] / 2, "{prompts:?} {deep:?}");
}

/// A configuration is called by what sets it apart; several runs of one are a single row.
#[test]
fn each_configuration_is_one_row_with_its_name() {
    let text = render(&several(), at(200));
    let by_depth = &text[text.find("By depth").unwrap()..text.find("Every test").unwrap()];
    assert_eq!(by_depth.matches("1024").count(), 2, "at two depths:\n{by_depth}");
    assert!(!by_depth.contains("run 3") && by_depth.contains("nothing was measured: 2 cells failed"));
    assert!(by_depth.contains("between the runs of a configuration"), "{by_depth}");
}

#[test]
fn what_all_runs_share_is_told_once() {
    let text = render(&several(), at(100));
    let facts = &text[text.find("\nConfiguration\n").unwrap()..];
    assert_eq!(facts.matches("NVIDIA 580.95.05").count(), 1, "{facts}");
    assert_eq!(facts.matches("2048 at a time (ubatch)").count(), 1, "{facts}");
    assert_eq!(facts.matches("at a time (ubatch)").count(), 4, "once for three runs of one:\n{facts}");
}

#[test]
fn colour_is_all_that_colour_adds() {
    for report in [assorted(), several()] {
        let plain = render_with(&report, &expected(), Style::default());
        assert!(!plain.contains('\u{1b}'));
        let mut coloured = render_with(&report, &expected(), Style { colour: true, ..Style::default() });
        while let Some(start) = coloured.find('\u{1b}') {
            let end = start + coloured[start..].find('m').unwrap();
            coloured.replace_range(start..=end, "");
        }
        assert_eq!(coloured, plain);
    }
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(render(&Report::default(), Style::default()), "");
}

#[test]
fn a_report_that_scrolls_away_ends_with_its_answer() {
    let whole = render(&reference(), at(80));
    let n_lines = whole.lines().count();
    let in_terminal = |height| render(&reference(), Style { height: Some(height), ..at(80) });
    assert_eq!(in_terminal(n_lines), whole, "it fits");
    let long = in_terminal(n_lines - 1);
    let answer: Vec<&str> = whole.lines().take_while(|line| !line.is_empty()).collect();
    assert!(answer.len() > 1 && long.trim_end().ends_with(&answer.join("\n")), "{long}");
}
