use std::fmt;

use super::{Level, Say};
use crate::{
    llama::BlockKind,
    record::{FlashAttnSetting, Profile, Run, Test, TestKind},
    report::{
        in_words::{count, percent},
        profiles::{of_run, unexplained},
    },
    units::Share,
};

/// Less than this share longer is as long.
const LONGER: f64 = 0.05;

/// A generation whose attention takes more than this share is worth another type of keys and values.
const MUCH: f64 = 1.0 / 3.0;

/// What profiles show.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Profiled {
    /// Profiles whose repetitions do not agree.
    Unbelievable {
        /// How many there are.
        n_tests: usize,
        /// The test whose repetitions differ most.
        test: Test,
        /// By how much of a plain repetition they differ, beyond the cost of stops.
        off: Share,
    },
    /// Several devices compute at the same time, and stops keep them apart.
    Overlap {
        /// The deepest such test.
        test: Test,
        /// By how much of its time its blocks take longer together.
        by: Share,
    },
    /// How much longer a test takes in the deepest context than in the shallowest, and what adds the time.
    Fall {
        /// The test, at any depth.
        test: Test,
        /// Tokens in the shallowest context.
        shallow: u32,
        /// Tokens in the deepest context.
        deep: u32,
        /// The time in the deepest over that in the shallowest.
        times: f64,
        /// The share of the added time that attention takes.
        attention: Share,
    },
    /// Flash attention is off.
    NoFlashAttention {
        /// The test in its deepest context.
        test: Test,
        /// The share of attention.
        attention: Share,
        /// Whether it was turned off; else llama.cpp did without.
        is_asked: bool,
    },
    /// Attention takes much of a generation, and another type of keys and values changes that.
    KvType {
        /// The test in its deepest context.
        test: Test,
        /// The share of attention.
        attention: Share,
        /// What keys and values are now.
        now: String,
        /// What they could be.
        better: &'static str,
    },
}

/// Profiles whose traced and plain repetitions differ by more than this share are not trusted.
const BELIEVED: f64 = 0.1;

/// Whether traced and plain repetitions agree once the cost of stops is subtracted.
fn is_believed(profile: &Profile) -> bool {
    unexplained(profile).is_some_and(|share| share.abs() <= BELIEVED)
}

/// The profiles that can be trusted, each with its test.
fn believed(run: &Run) -> impl Iterator<Item = (Test, &Profile)> {
    of_run(run).filter(|(_, profile)| is_believed(profile))
}

/// Whether devices compute the physical batches of a prompt at the same time, which stops keep apart.
fn overlaps(test: Test, profile: &Profile) -> bool {
    let mut devices: Vec<&str> = profile.blocks.iter().map(|block| &*block.device).collect();
    devices.retain(|device| *device != "CPU");
    devices.sort_unstable();
    devices.dedup();
    !test.kind.is_generation() && devices.len() > 1 && profile.unexplained_ns > 0
}

fn overlapping(run: &Run) -> Option<Profiled> {
    let all = of_run(run).filter(|(test, profile)| !is_believed(profile) && overlaps(*test, profile));
    let (test, profile) = all.max_by_key(|(test, _)| test.n_depth)?;
    Some(Profiled::Overlap { test, by: Share::new(unexplained(profile)?)? })
}

fn unbelieved(run: &Run) -> Option<Profiled> {
    let off = |profile: &Profile| unexplained(profile).unwrap_or(0.0).abs();
    let is_doubtful = |(test, profile): &(Test, &Profile)| !is_believed(profile) && !overlaps(*test, profile);
    let all: Vec<(Test, &Profile)> = of_run(run).filter(is_doubtful).collect();
    let n_tests = all.len();
    let (test, worst) = all.into_iter().max_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)))?;
    Some(Profiled::Unbelievable { n_tests, test, off: Share::new(off(worst))? })
}

pub(super) fn profiled(run: &Run) -> Vec<Profiled> {
    let mut said: Vec<Profiled> = unbelieved(run).into_iter().collect();
    said.extend(overlapping(run));
    said.extend(falls(run));
    said.extend(no_flash_attention(run));
    said.extend(kv_type(run));
    said
}

fn falls(run: &Run) -> Vec<Profiled> {
    let mut tests: Vec<Test> = Vec::new();
    for (test, _) in believed(run) {
        if !tests.contains(&test.at_any_depth()) {
            tests.push(test.at_any_depth());
        }
    }
    tests.into_iter().filter_map(|test| fall(run, test)).collect()
}

fn fall(run: &Run, test: Test) -> Option<Profiled> {
    let alike = || believed(run).filter(|(other, _)| other.at_any_depth() == test);
    let (shallow, before) = alike().min_by_key(|(test, _)| test.n_depth)?;
    let (deep, after) = alike().max_by_key(|(test, _)| test.n_depth)?;
    let (short, long) = (before.plain()? as f64, after.plain()? as f64);
    if long < (1.0 + LONGER) * short {
        return None;
    }
    let attention = |profile: &Profile| profile.of(BlockKind::Attention).map(|ns| ns as f64);
    let added = (attention(after)? - attention(before)?) / (long - short);
    Some(Profiled::Fall {
        test,
        shallow: shallow.n_depth,
        deep: deep.n_depth,
        times: long / short,
        // Of noise a little more may be added than there is.
        attention: Share::new(added.clamp(0.0, 1.0))?,
    })
}

/// The deepest test of this kind whose attention is known, and the share of that.
fn deepest(run: &Run, is_kind: fn(TestKind) -> bool) -> Option<(Test, f64)> {
    let known = believed(run).filter(|(test, _)| is_kind(test.kind));
    let known = known.filter_map(|(test, profile)| Some((test, profile.share(BlockKind::Attention)?)));
    known.max_by_key(|(test, _)| test.n_depth)
}

fn no_flash_attention(run: &Run) -> Option<Profiled> {
    let header = &run.header;
    if header.resolved.flash_attn != Some(false) {
        return None;
    }
    let (test, share) =
        deepest(run, TestKind::is_prompt).or_else(|| deepest(run, TestKind::is_generation))?;
    let is_asked = header.config.flash_attn == Some(FlashAttnSetting::Off);
    Some(Profiled::NoFlashAttention { test, attention: Share::new(share.clamp(0.0, 1.0))?, is_asked })
}

/// On a GPU reading keys and values decides; a CPU computes with them, and those of f16 as they are.
fn kv_type(run: &Run) -> Option<Profiled> {
    let header = &run.header;
    let (test, share) = deepest(run, TestKind::is_generation).filter(|(_, share)| *share > MUCH)?;
    let (k, v) = (&header.config.type_k, &header.config.type_v);
    let is_half = |name: &str| matches!(name, "f16" | "bf16");
    let on_cpu = matches!(header.resolved.offloaded_layers, Some((0, _)));
    let now = if k == v { k.clone() } else { format!("{k}/{v}") };
    let better = match (is_half(k) && is_half(v), on_cpu) {
        (true, false) => "q8_0",
        (false, true) if !k.is_empty() && k != "f32" => "f16",
        _ => return None,
    };
    Some(Profiled::KvType { test, attention: Share::new(share.clamp(0.0, 1.0))?, now, better })
}

impl Say for Profiled {
    fn level(&self) -> Level {
        match self {
            Profiled::Unbelievable { .. } | Profiled::NoFlashAttention { .. } => Level::Warning,
            Profiled::Overlap { .. } | Profiled::Fall { .. } | Profiled::KvType { .. } => Level::Note,
        }
    }
}

impl fmt::Display for Profiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Profiled::Unbelievable { n_tests, test, off } => write!(
                f,
                "{} not to be believed: traced and plain repetitions of {test} differ by {} beyond the cost of stops. \
                 Profile again on a quieter machine.",
                if *n_tests == 1 { "A profile is".to_owned() } else { count(*n_tests, "profile") + " are" },
                percent(*off)
            ),
            Profiled::Overlap { test, by } => write!(
                f,
                "Several devices compute {test} at the same time. The stops of a profile keep them apart, so its blocks take {} \
                 longer together than it does.",
                percent(*by)
            ),
            Profiled::Fall { test, shallow, deep, times, attention } => {
                let what = match test.kind {
                    TestKind::Pp(_) => "a prompt",
                    TestKind::Tg(_) => "a generated token",
                    TestKind::Embd(_) => "an embedding",
                };
                write!(
                    f,
                    "At {deep} tokens {what} ({test}) takes {times:.2} times as long as at {shallow}: {} of the added time is \
                     attention.",
                    percent(*attention)
                )
            }
            Profiled::NoFlashAttention { test, attention, is_asked } => {
                let why = if *is_asked { "(-fa 0)" } else { "(llama.cpp did without)" };
                let remedy = if *is_asked { "; measure -fa 1 beside it" } else { "" };
                write!(
                    f,
                    "Flash attention is off {why}: attention takes {} of {test}{remedy}.",
                    percent(*attention)
                )
            }
            Profiled::KvType { test, attention, now, better: "q8_0" } => write!(
                f,
                "Attention takes {} of {test}, with keys and values in {now}: q8_0 (-ctk q8_0 -ctv q8_0) halves the bytes that \
                 it reads.",
                percent(*attention)
            ),
            Profiled::KvType { test, attention, now, better } => write!(
                f,
                "Attention takes {} of {test}, with keys and values in {now}, which the CPU converts: {better} (-ctk {better} \
                 -ctv {better}) may be faster.",
                percent(*attention)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BlockTime, Cell, Measured, Outcome, Sample, fixture::pp100_run, pp, tg};

    /// A profile of attention and all else, in microseconds.
    fn cell(test: Test, attention: u64, rest: u64) -> Cell {
        let block = |kind, us: u64| BlockTime { kind, elapsed_ns: Some(us * 1000), ..BlockTime::default() };
        let profile = Profile {
            plain_ns: vec![(attention + rest) * 1000],
            n_tokens: 1,
            blocks: vec![block(BlockKind::Attention, attention), block(BlockKind::FeedForward, rest)],
            ..Profile::default()
        };
        let measured =
            Measured { samples: vec![Sample::default()], profile: Some(profile), ..Measured::default() };
        Cell { test, started_at: String::new(), outcome: Outcome::Measured(measured) }
    }

    fn said(cells: Vec<Cell>, change: impl FnOnce(&mut Run)) -> Vec<String> {
        let mut run = pp100_run(512, &[1]);
        run.cells = cells;
        run.header.resolved.flash_attn = Some(true);
        change(&mut run);
        profiled(&run).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_fall_is_told_with_what_attention_adds() {
        let cells = vec![cell(pp(512), 20, 80), cell(pp(512).at(8192), 118, 82)];
        assert_eq!(
            said(cells, |_| {}),
            [
                "At 8192 tokens a prompt (pp512) takes 2.00 times as long as at 0: 98.0 % of the added time is attention."
            ]
        );
        assert_eq!(said(vec![cell(pp(512), 20, 80), cell(pp(512).at(64), 21, 80)], |_| {}), [""; 0]);
    }

    #[test]
    fn a_profile_whose_repetitions_do_not_agree_is_not_believed() {
        let mut cells = vec![cell(pp(512), 20, 80), cell(pp(512).at(8192), 118, 82)];
        if let Outcome::Measured(Measured { profile: Some(profile), .. }) = &mut cells[1].outcome {
            profile.unexplained_ns = -50_000;
        }
        assert_eq!(
            said(cells, |_| {}),
            [
                "A profile is not to be believed: traced and plain repetitions of pp512 @ d8192 differ by 25.0 % beyond the cost of stops. Profile again on a quieter machine."
            ]
        );
    }

    #[test]
    fn devices_that_compute_at_the_same_time_are_told() {
        let mut cells = vec![cell(pp(2048), 20, 80)];
        if let Outcome::Measured(Measured { profile: Some(profile), .. }) = &mut cells[0].outcome {
            profile.unexplained_ns = 58_000;
            profile.blocks[0].device = "CUDA0".into();
            profile.blocks[1].device = "CUDA1".into();
        }
        assert_eq!(
            said(cells, |_| {}),
            [
                "Several devices compute pp2048 at the same time. The stops of a profile keep them apart, so its blocks take 58.0 % longer together than it does."
            ]
        );
    }

    #[test]
    fn flash_attention_that_is_off_is_told_with_its_price() {
        let off = |run: &mut Run| {
            run.header.resolved.flash_attn = Some(false);
            run.header.config.flash_attn = Some(FlashAttnSetting::Off);
        };
        let said = said(vec![cell(pp(512).at(8192), 60, 40)], off);
        assert_eq!(
            said,
            [
                "Flash attention is off (-fa 0): attention takes 60.0 % of pp512 @ d8192; measure -fa 1 beside it."
            ]
        );
    }

    #[test]
    fn a_type_of_keys_and_values_is_advised_by_where_they_are_read() {
        let with = |kv: &'static str, n_offloaded: u32| {
            move |run: &mut Run| {
                run.header.resolved.offloaded_layers = Some((n_offloaded, 4));
                (run.header.config.type_k, run.header.config.type_v) = (kv.into(), kv.into());
            }
        };
        let much = || vec![cell(tg(16).at(8192), 60, 40)];
        assert!(said(much(), with("f16", 4))[0].contains("q8_0 (-ctk q8_0 -ctv q8_0) halves"));
        assert!(said(much(), with("q8_0", 0))[0].contains("f16 (-ctk f16 -ctv f16) may be faster"));
        assert_eq!(said(much(), with("f16", 0)), [""; 0]);
        assert_eq!(said(much(), with("q8_0", 4)), [""; 0]);
        assert_eq!(said(vec![cell(tg(16).at(8192), 20, 80)], with("f16", 4)), [""; 0]);
    }
}
