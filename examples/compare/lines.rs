//! What a comparison says, line by line.

use llama_bench_rs::{
    judge::{self, Rule, Verdict},
    judge::{Because, Bounds, Finding, Judgement, RunEstimate, TestJudgement},
    record::{Cell, Failure, Run, Test},
    units::{Probability, Speedup},
};

use crate::{
    deaths::has,
    light::{self, LightLine},
};

/// What the unit of a comparison is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Of {
    /// The sides were loaded in turn.
    Loads,
    /// They were measured separately.
    Runs,
    /// They served the same requests.
    Repetitions,
}

impl Of {
    pub fn plural(self) -> &'static str {
        match self {
            Of::Loads => "loads",
            Of::Runs => "runs",
            Of::Repetitions => "repetitions",
        }
    }

    pub fn of_more(self) -> &'static str {
        match self {
            Of::Loads => "take more loads (--loads)",
            Of::Runs => "measure more runs (sweep --runs)",
            Of::Repetitions => "serve more repetitions (serve_bench -r)",
        }
    }
}

/// Two sides of one configuration.
pub struct Comparison {
    /// How the configuration differs from others; empty if there is one.
    pub name: String,
    pub of: Of,
    pub lines: Vec<Line>,
    /// The same tests by energy: joules per token in place of tokens per second; empty if it is not known on both sides.
    pub energy: Vec<Line>,
    /// The share of the speed of light of the same tests; empty if it is not known.
    pub light: Vec<LightLine>,
    /// What llama.cpp computes in another way on side B.
    pub changes: Vec<String>,
}

/// One test, or what all tests of a kind share.
pub struct Line {
    pub name: String,
    /// Tokens per second, or joules per token.
    pub a: Option<f64>,
    pub b: Option<f64>,
    pub speedup: Option<Speedup>,
    pub bounds: Option<Bounds<Speedup>>,
    pub p_value: Option<Probability>,
    /// `None` if there is nothing to judge.
    pub verdict: Option<Verdict>,
    pub says: String,
}

impl Comparison {
    pub fn new(name: &str, a: &[&Run], b: &[&Run], judged: Option<&Judgement>, of: Of) -> Self {
        let mut tests: Vec<Test> = Vec::new();
        for cell in a.iter().chain(b).flat_map(|run| &run.cells) {
            if !tests.contains(&cell.test) {
                tests.push(cell.test);
            }
        }
        let line = |test: Test| {
            let mut line = line(test, reason(a, b, test), judged, of);
            if of == Of::Loads && line.verdict.is_some() {
                line.says += &of_fewer(a, b, test);
            }
            line
        };
        let light = light::lines(a, b, &tests);
        let mut lines: Vec<Line> = tests.into_iter().map(line).collect();
        lines.extend(judged.map(shifts).unwrap_or_default());
        let changes = match (a.first(), b.first()) {
            (Some(a), Some(b)) => llama_bench_rs::record::work::changes(&a.header, &b.header),
            _ => Vec::new(),
        };
        let changes = changes.iter().map(ToString::to_string).collect();
        Self { name: name.to_owned(), of, lines, energy: Vec::new(), light, changes }
    }

    /// The same with what is known of the energy.
    pub fn with_energy(mut self, a: &[&Run], b: &[&Run], rule: Rule) -> Self {
        let judged = judge::compare_energy(a, b, self.of == Of::Loads, rule).ok().flatten();
        self.energy =
            judged.iter().flat_map(|judged| &judged.tests).map(|one| energy(one, self.of)).collect();
        self
    }

    pub fn is_slower(&self) -> bool {
        self.lines.iter().any(|line| line.verdict == Some(Verdict::Regressed))
    }
}

/// The first reason why a test has no figure, or fewer repetitions than it was asked for, on either side.
fn reason<'a>(a: &[&'a Run], b: &[&'a Run], test: Test) -> Option<&'a Failure> {
    let cells = a.iter().chain(b).flat_map(|run| &run.cells);
    cells.filter(|cell| cell.test == test).find_map(Cell::reason)
}

/// ` (of 5 of 6 loads)` if some loads do not have the whole test on both sides.
fn of_fewer(a: &[&Run], b: &[&Run], test: Test) -> String {
    let (n, n_whole) = (a.len(), a.iter().zip(b).filter(|(a, b)| has(a, test) && has(b, test)).count());
    if n_whole == n { String::new() } else { format!(" (of {n_whole} of {n} loads)") }
}

fn line(test: Test, reason: Option<&Failure>, judged: Option<&Judgement>, of: Of) -> Line {
    let judged = judged.and_then(|all| all.tests.iter().find(|judged| judged.test == test));
    let rate = |estimate: Option<&RunEstimate>| {
        estimate.and_then(|estimate| estimate.rate(test.n_tokens())).map(|rate| rate.get())
    };
    let (a, b) = (rate(judged.map(|one| &one.before)), rate(judged.map(|one| &one.after)));
    let unjudged = |says| Line {
        name: test.to_string(),
        a,
        b,
        speedup: None,
        bounds: None,
        p_value: None,
        verdict: None,
        says,
    };
    match (judged, reason) {
        (None, Some(reason)) => unjudged(reason.message.clone()),
        (None, None) => unjudged("not measured on both sides".into()),
        // The runs that have it can be judged, whatever became of the others.
        (Some(one), _) => Line {
            speedup: Some(one.speedup),
            bounds: one.bounds,
            p_value: one.p_value,
            verdict: Some(one.verdict()),
            ..unjudged(words(one, of))
        },
    }
}

/// A test by its energy per token.
fn energy(judged: &TestJudgement, of: Of) -> Line {
    // Energy of B over that of A: over 1 is more.
    let inverse = |speedup: Speedup| Speedup::new(1.0 / speedup.get());
    let ratio = inverse(judged.speedup);
    let bounds =
        judged.bounds.and_then(|it| Some(Bounds::between(inverse(it.lower())?, inverse(it.upper())?)));
    let size = ratio.map_or_else(String::new, |ratio| format!("{:.1}", ratio.change().size()));
    let says = match judged.verdict() {
        Verdict::Improved => format!("B takes {size} less energy"),
        Verdict::Regressed => format!("B takes {size} more energy"),
        Verdict::NoChange => "no change".into(),
        Verdict::Inconclusive => judged.finding.to_string(),
        _ => format!("cannot tell; {}", of.of_more()),
    };
    Line {
        name: judged.test.to_string(),
        a: Some(judge::joules(&judged.before).0),
        b: Some(judge::joules(&judged.after).0),
        speedup: ratio,
        bounds,
        p_value: judged.p_value,
        verdict: Some(judged.verdict()),
        says,
    }
}

/// The lines of what all tests of a kind share.
fn shifts(judgement: &Judgement) -> Vec<Line> {
    let line = |shift: &llama_bench_rs::judge::Shift| Line {
        name: format!("all {}", shift.kind.family()),
        a: None,
        b: None,
        speedup: Some(shift.speedup),
        bounds: shift.bounds,
        p_value: shift.p_value,
        verdict: Some(shift.finding.verdict),
        says: verdict(shift.finding, shift.speedup).unwrap_or_else(|| "cannot tell".into()),
    };
    judgement.shifts.iter().map(line).collect()
}

/// The verdict of a line, unless it is "cannot tell".
pub fn verdict(finding: Finding, speedup: Speedup) -> Option<String> {
    let size = speedup.change().size();
    Some(match finding.verdict {
        Verdict::Improved => format!("B is {size:.1} faster"),
        Verdict::Regressed => format!("B is {size:.1} slower"),
        Verdict::NoChange => "no change".into(),
        Verdict::Inconclusive => finding.to_string(),
        _ => return None,
    })
}

fn words(judged: &TestJudgement, of: Of) -> String {
    verdict(judged.finding, judged.speedup).unwrap_or_else(|| {
        let more = of.of_more();
        if judged.finding.because == Because::OneRunEach {
            let one = of.plural().trim_end_matches('s');
            return format!("one {one} each: cannot tell; {more}");
        }
        let shown = match judged.detectable {
            // Further digits of an absurd number are meaningless.
            Some(least) if least.get() >= 10.0 => "no slowdown under 999 % is sure to show; ".into(),
            Some(least) => format!("only a slowdown of {least:.1} is sure to show; "),
            None => String::new(),
        };
        format!("cannot tell: {shown}{more}")
    })
}
