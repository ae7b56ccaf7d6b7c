//! What a page is asked for, with and without a browser.
#![allow(dead_code)]

use llama_bench_rs::record::{Disturbance, Outcome, Report, Run, TestKind};
use llama_bench_rs::with;

use super::report_support::{assorted, failed, reference};

pub const HOSTILE: &str =
    "</script><script>document.title = 'owned'</script><img src=x onerror=alert(1)>\" 'a & b";

/// The text of a page without its elements; good enough for pages that escape what they should.
pub fn text(page: &str) -> String {
    let body = page.split_once("<body>").map_or(page, |(_, body)| body);
    let body = body.split_once("<script").map_or(body, |(body, _)| body);
    let without_tags: String = body
        .split('<')
        .map(|part| part.split_once('>').map_or("", |(_, text)| text))
        .collect::<Vec<_>>()
        .join(" ");
    let text =
        without_tags.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
pub fn assert_holds(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    }
}

/// Figures of the reference run that a reader looks for, anywhere on the page.
pub const FIGURES: [&str; 12] = [
    "gpt-oss 20B Q4_K - Medium",
    "NVIDIA GB10",
    "4.44 bits per weight",
    "25 of 25 layers",
    "3 min 3 s",
    "pp2048 @ d32768",
    "3714 ± 0.32 % 0.25 % 5 551 ms 552 ms 552 ms 552 ms",
    "90.1",
    "2029 (-45 %)",
    "60.3 (-33 %)",
    "11.1 ms",
    "All 50 repetitions",
];

/// The name is wherever a name can be.
pub fn hostile() -> Report {
    let mut report = assorted();
    for (i, run) in report.runs.iter_mut().enumerate() {
        run.header.model.description = format!("{HOSTILE}{i}");
        run.header.model.filename = HOSTILE.into();
        run.header.host.gpu_info = HOSTILE.into();
        run.header.build.commit = HOSTILE.into();
        run.header.host.devices[0].name = HOSTILE.into();
        run.cells.push(failed(TestKind::Tg(32), 0));
        if let Some(llama_bench_rs::record::Outcome::Failed(failure)) =
            run.cells.last_mut().map(|cell| &mut cell.outcome)
        {
            (failure.kind, failure.message) = (HOSTILE.into(), HOSTILE.into());
        }
    }
    report
}

/// The same run with another ubatch and its times multiplied.
pub fn slower(run: &Run, n_ubatch: u32, times: f64) -> Run {
    let mut run = run.clone();
    run.header.config.n_ubatch = Some(n_ubatch);
    for cell in &mut run.cells {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            for sample in &mut measured.samples {
                sample.elapsed = sample.elapsed.mul_f64(times);
            }
        }
    }
    run
}

/// So many configurations, each slower than the one before.
pub fn many(n: u32) -> Report {
    let first = reference().runs.remove(0);
    Report { runs: (0..n).map(|i| slower(&first, 4096 >> i, 1.0 + f64::from(i) / 10.0)).collect() }
}

/// The same beside busy neighbours: the threads of each repetition waited for a third of its time.
pub fn busy(mut report: Report) -> Report {
    for cell in report.runs.iter_mut().flat_map(|run| &mut run.cells) {
        if let Outcome::Measured(measured) = &mut cell.outcome {
            for sample in &mut measured.samples {
                let waited = Some(sample.elapsed / 3);
                sample.disturbance =
                    Some(with!(Disturbance { n_threads: Some(2), waited, ..Disturbance::default() }));
            }
        }
    }
    report
}
