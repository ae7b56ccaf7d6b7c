//! What the report says of repetitions and steps that differ, and whether to believe them.

mod report_support;

use llama_bench_rs::with;
use std::time::Duration;

use llama_bench_rs::{
    record::*,
    report::insights::{Level, insights, unbelievable},
};
use report_support::{
    reference,
    said::{cell, saying},
};

#[test]
fn noise_is_told_with_its_size() {
    let mut report = reference();
    let ms = |ms: u64| Duration::from_millis(ms);
    for (sample, time) in
        cell(&mut report, TestKind::Pp(2048), 0).samples.iter_mut().zip([700, 551, 552, 551, 552])
    {
        sample.elapsed = ms(time);
    }
    assert!(saying(&report, "first repetition is slow").contains("700 ms where the median is 552 ms"));
    for (sample, time) in
        cell(&mut report, TestKind::Pp(2048), 0).samples.iter_mut().zip([551, 552, 450, 551, 552])
    {
        sample.elapsed = ms(time);
    }
    assert!(saying(&report, "lie far from the others").contains("450 ms where the median is 551 ms"));
    let measured = cell(&mut report, TestKind::Pp(2048), 0);
    measured.samples = (0..10)
        .map(|i| {
            with!(Sample {
                elapsed: ms(550 + 5 * i),
                steps: vec![],
                at: Some(ms(600 * i)),
                ..Sample::default()
            })
        })
        .collect();
    measured.warmup.as_mut().unwrap().settled = Some(false);
    let drift = saying(&report, " drift while they are repeated");
    assert!(
        drift.contains("in pp2048: a straight line through them rises by 7.9 % of their mean from"),
        "{drift}"
    );
    assert!(saying(&report, "warm-up of 1 cell did not settle").contains("first in pp2048"));
}

#[test]
fn steps_are_told_apart() {
    let mut report = reference();
    let us = |us: u64| Duration::from_micros(us);
    let measured = cell(&mut report, TestKind::Tg(32), 4096);
    for sample in &mut measured.samples {
        sample.steps = std::iter::once(us(18_000)).chain(vec![us(12_000); 31]).collect();
    }
    measured.live = Some(measured.samples[0].clone());
    assert_eq!(
        saying(&report, "The first step"),
        "The first step of tg32 @ d4096 takes 6.00 ms longer than steady ones of 12.0 ms: that is paid once an answer, \
         not per token."
    );
    assert!(saying(&report, "straight after the context was filled").contains("0.00 % apart"));
    // One repetition with few steps does not show whether that is chance.
    let mut short = report.clone();
    let measured = cell(&mut short, TestKind::Tg(32), 4096);
    measured.samples.truncate(1);
    measured.samples[0].steps.truncate(8);
    assert_eq!(
        saying(&short, "The first step"),
        "The first step takes 1.5 times as long as a later one in tg32 @ d4096: 18.0 ms against 12.0 ms."
    );
    let live = cell(&mut report, TestKind::Tg(32), 4096).live.as_mut().unwrap();
    live.steps = vec![us(12_600); 32];
    let sentence = saying(&report, "straight after the context was filled");
    assert!(
        sentence.contains("of tg32 @ d4096 takes 12.6 ms straight")
            && sentence.contains("12.0 ms after it was brought back")
    );
    assert!(insights(&report).iter().any(|i| i.to_string() == sentence && i.level() == Level::Warning));
}

#[test]
fn a_large_spread_asks_for_more_repetitions() {
    let mut report = reference();
    for (sample, ms) in
        cell(&mut report, TestKind::Pp(2048), 0).samples.iter_mut().zip([540, 560, 545, 565, 551])
    {
        sample.elapsed = Duration::from_millis(ms);
    }
    let sentence = saying(&report, "Next: measure again with about");
    assert!(sentence.contains("repetitions instead of 5, which would bring pp2048"), "{sentence}");
    cell(&mut report, TestKind::Pp(2048), 0).samples.truncate(1);
    assert!(saying(&report, "was measured once").contains("1 cell"));
    assert!(saying(&report, "with 5 repetitions or more").starts_with("Next:"));
    report.runs[0].cells.truncate(2);
    assert!(saying(&report, "several depths").starts_with("Next:"));
}

/// `18872 ± 24888` must come with a warning.
#[test]
fn a_spread_that_makes_figures_unbelievable_is_named_with_its_remedy() {
    let steady = reference();
    assert_eq!(unbelievable(&steady.runs[0]), None, "half a percent is believable");
    let mut wild = reference().runs.remove(0);
    let Outcome::Measured(measured) = &mut wild.cells[3].outcome else { panic!("measured") };
    measured.samples[0].elapsed *= 9;
    let doubt = unbelievable(&wild).unwrap();
    assert_eq!(doubt.cells.len(), 1);
    let text = doubt.to_string();
    for part in ["the spread of 1 cell", "tg32 @ d4096", "±", "t/s", "quieter machine"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let mut loose = reference().runs.remove(0);
    let Outcome::Measured(measured) = &mut loose.cells[0].outcome else { panic!("measured") };
    measured
        .samples
        .iter_mut()
        .zip([100, 109, 97, 113, 104])
        .for_each(|(sample, percent)| sample.elapsed = sample.elapsed * percent / 100);
    let text = unbelievable(&loose).unwrap().to_string();
    assert!(text.contains("repetitions instead of 5, which brings the means within ± 5"), "{text}");
}
