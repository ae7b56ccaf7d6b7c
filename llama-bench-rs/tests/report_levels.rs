//! What several sequences at once mean, in the terminal, on the page and in Markdown; and what one of them means beside them.

mod page_support;
mod report_support;

use llama_bench_rs::{
    judge::Knee,
    record::*,
    report::{
        answer::Answer,
        explain_markdown, html,
        insights::{Statement, chat_times, insights, predict},
        terminal::{Style, render},
    },
    with,
};
use page_support::{assert_holds, text};
use report_support::{levels, reference};

fn at(width: usize) -> Style {
    Style { width, ..Style::default() }
}

/// Two configurations: the second has a third more speed, shares the depth, and did not fit with 16 sequences.
fn two_configurations() -> Report {
    let mut report = levels::levels();
    let mut second = report.runs[0].clone();
    second.header.config.kv_unified = Some(true);
    for cell in &mut second.cells {
        if cell.test.n_parallel == 16 {
            *cell = levels::too_large(cell.test);
        } else if let Outcome::Measured(measured) = &mut cell.outcome {
            measured.samples.iter_mut().for_each(|sample| {
                sample.elapsed = sample.elapsed * 3 / 4;
                sample.steps.iter_mut().for_each(|step| *step = *step * 3 / 4);
            });
        }
    }
    report.runs.push(second);
    report
}

/// The section of a text under this heading.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start =
        text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?} in\n{text}")) + 1;
    let end = text[start..].find("\n\nEvery test").map_or(text.len(), |end| start + end);
    &text[start..end]
}

#[test]
fn a_terminal_has_a_row_for_each_number_of_sequences() {
    for width in [60, 80, 132] {
        let text = render(&levels::levels(), at(width));
        insta::assert_snapshot!(format!("one_{width}"), section(&text, "By number of sequences"));
        let text = render(&two_configurations(), at(width));
        insta::assert_snapshot!(format!("two_{width}"), section(&text, "By number of sequences"));
    }
}

#[test]
fn lines_keep_to_the_width() {
    for width in [60, 72, 80, 100, 132, 200] {
        for report in [levels::levels(), two_configurations()] {
            for line in render(&report, at(width)).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn every_wish_of_somebody_with_users_is_on_the_screen() {
    let text = render(&levels::levels(), at(200));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let wishes = [
        // Total, each, scaling; median, p90 and p99 of a step; prompts.
        "8 732 ± 1.4 91.5 3.0x 10.6 ms 13.2 ms 13.3 ms 16400 ± 32 2050 1.7x",
        "In a context of 4096 tokens (tg32), 16 users reach 839 t/s together, 3.5x the speed of one alone. 4 users get 147 \
         t/s each; with 8, each gets 91.5 t/s: the total grows by 24.3 %",
        "up to 4 users, and by less from there on.",
        "Each sequence has a copy of the depth in a KV cache of its own.",
        // What one user sees.
        "Generation 256 t/s, 242 t/s at depth 4096; prompts 10150 t/s, 9800 t/s at 4096; first token after 50.4 ms to 52.2 ms",
        "--example serve_bench -- -m models/gpt-oss-20b-Q4_K_M.gguf",
    ];
    for wish in wishes {
        assert!(words.contains(wish), "no {wish:?} in\n{words}");
    }
    assert!(!words.contains("one sequence at a time") && !words.contains("-npl"), "it was done: {words}");
}

/// Figures of one user are those of one sequence, whatever was measured beside it.
#[test]
fn one_sequence_is_not_mixed_with_several() {
    let plain = reference();
    let mut report = reference();
    for n_depth in [0, 4096, 32768] {
        for n in [2, 4] {
            let tests = [pp(2048).parallel(n).at(n_depth), tg(32).parallel(n).at(n_depth)];
            // Longer tests have a say too.
            let longer = [pp(4096).parallel(n).at(n_depth), tg(128).parallel(n).at(n_depth)];
            report.runs[0]
                .cells
                .extend(tests.into_iter().chain(longer).map(|test| levels::cell(test, 10_000.0)));
        }
    }
    // The order of the cells does not matter.
    report.runs[0].cells.reverse();
    let (before, after) = (Answer::of(&plain, &[]), Answer::of(&report, &[]));
    assert_eq!(after.configurations[0].pivot, before.configurations[0].pivot);
    assert_eq!(after.headline.speeds, before.headline.speeds);
    assert_eq!(after.headline.first_token, before.headline.first_token);
    assert_eq!(after.why_falls(), before.why_falls());
    assert_eq!(chat_times(&report.runs[0]), chat_times(&plain.runs[0]));
    let predicted = |report: &Report| predict(&report.runs[0], TestKind::Tg(32), 65_536);
    assert_eq!(predicted(&report), predicted(&plain));
    let falls = |report: &Report| -> Vec<String> {
        let of_one = |it: &llama_bench_rs::report::insights::Insight| {
            matches!(&it.statement, Statement::Faster(_))
                || matches!(&it.statement, Statement::Fall(fall) if fall.test.n_parallel == 1)
        };
        let mut said: Vec<String> =
            insights(report).iter().filter(|it| of_one(it)).map(ToString::to_string).collect();
        said.sort();
        said
    };
    assert_eq!(falls(&report), falls(&plain));
    assert_eq!(falls(&plain).len(), 3);
}

#[test]
fn without_one_sequence_the_headline_has_the_total() {
    let mut report = levels::levels();
    report.runs[0].cells.retain(|cell| cell.test.n_parallel > 2);
    let answer = Answer::of(&report, &[]);
    assert!(answer.headline.speeds.is_empty() && answer.headline.first_token.is_none());
    let sentence = answer.headline.sentence();
    assert!(sentence.starts_with("907 t/s in tg32 x16, all sequences together; believable to"), "{sentence}");
    let text = render(&report, at(100));
    assert!(!text.contains("By depth") && text.contains("By number of sequences"), "{text}");
    // How a single test falls with the depth is still a fact of that test.
    let said: Vec<String> = insights(&report).iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|said| said.starts_with("Prompt processing (pp512 x4) is 3.2 % slower")),
        "{said:#?}"
    );
    assert!(said.iter().all(|said| !said.contains("(pp512 x8)")), "one of them is enough: {said:#?}");
}

#[test]
fn insights_have_the_levels_of_each_depth_once() {
    let levels = |report: &Report| -> Vec<(usize, u32, Option<Knee>)> {
        let of = |it: llama_bench_rs::report::insights::Insight| match it.statement {
            Statement::Levels(levels) => Some((it.run, levels.n_depth, levels.knee)),
            _ => None,
        };
        insights(report).into_iter().filter_map(of).collect()
    };
    let mut report = levels::levels();
    let (at_0, at_4096) = (Some(Knee::At(8)), Some(Knee::At(4)));
    assert_eq!(levels(&report), [(0, 0, at_0), (0, 4096, at_4096)]);
    report.runs.extend([report.runs[0].clone(), report.runs[0].clone()]);
    assert_eq!(
        levels(&report),
        [(0, 0, at_0), (0, 4096, at_4096)],
        "runs of one configuration are judged together"
    );
    assert_eq!(levels(&reference()), []);
}

#[test]
fn the_page_shows_what_the_terminal_shows() {
    let page = html::page(&two_configurations()).unwrap();
    assert_holds(
        &text(&page),
        &[
            "By number of sequences",
            "generation tg32",
            "configuration depth sequences total t/s each t/s scaling",
            "8 732 ± 1.4 91.5 3.0x",
            "out_of_memory",
            "16 users reach 839 t/s together",
            "Speed by number of sequences",
            "Time per token against throughput",
        ],
    );
    let page = text(&html::page(&reference()).unwrap());
    assert!(!page.contains("By number of sequences") && !page.contains("Speed by number"), "{page}");
}

#[test]
fn markdown_has_the_table_and_the_sentences() {
    let text = explain_markdown(&two_configurations(), &[]);
    let heads = text.lines().find(|line| line.contains("| sequences |")).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(
        heads,
        "| configuration | depth | sequences | generation t/s | each t/s | scaling | step p50 | p90 | p99 | prefill t/s | \
         each t/s | scaling | failed |"
    );
    assert!(text.contains("| kvu 0 | 4096 | 8 | 732 ± 1.4 | 91.5 | 3.0x |"), "{text}");
    assert!(
        text.contains("| kvu 1 | 4096 | 16 |  |  |  |  |  |  |  |  |  | out_of_memory: CUDA0 has"),
        "{text}"
    );
    assert!(text.contains("\nkvu 0: In an empty context (tg32), 16 users reach 907 t/s together"), "{text}");
    assert!(!explain_markdown(&reference(), &[]).contains("| sequences |"));
}

#[test]
fn a_step_of_several_sequences_is_not_one_token() {
    let mut report = levels::levels();
    report.runs[0].cells.retain(|cell| cell.test.n_parallel == 8);
    for cell in &mut report.runs[0].cells {
        let Outcome::Measured(measured) = &mut cell.outcome else { panic!("measured") };
        if let Some(slow) = measured.samples[0].steps.last_mut() {
            *slow *= 10;
        }
        measured.live = Some(with!(Sample { ..measured.samples[1].clone() }));
    }
    let said: Vec<String> = insights(&report).iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.starts_with("Of 160 steps of tg32 x8")), "{said:#?}");
    assert!(said.iter().all(|said| !said.contains("A token of tg32 x8")), "{said:#?}");
    let caption = Answer::of(&report, &[]).times_caption();
    assert!(
        caption.starts_with("Times are of the prompts of all sequences (pp) and of a step,"),
        "{caption}"
    );
}
