use std::io::Write;

use serde_json::{Value, json};

use super::{OURS, THEIRS};
use crate::{
    record::{Test, TestKind},
    report::{
        FIELDS, Flat, OutcomeKind,
        sink::{Encode, EncodeError},
    },
};

/// The lines, each as soon as both halves are there; those of single halves at the end.
#[derive(Default)]
pub(in crate::report) struct Batched {
    halves: Vec<Half>,
}

/// A cell that may be half of a line.
struct Half {
    row: Flat,
    test: Test,
    is_written: bool,
}

impl Encode for Batched {
    fn begin(&mut self, _out: &mut dyn Write, _run: &Flat) -> Result<(), EncodeError> {
        Ok(())
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        let Some(test) = row.test() else { return Ok(()) };
        let mut new = Half { row: row.clone(), test, is_written: false };
        if let Some(prompt) = self.halves.iter_mut().find(|known| new.follows(known)) {
            line(out, Some(prompt), Some(&new))?;
            (prompt.is_written, new.is_written) = (true, true);
        }
        // Generations that were measured before their prompt.
        let is_waiting = |known: &&mut Half| !known.is_written && known.follows(&new);
        let waiting: Vec<&mut Half> = self.halves.iter_mut().filter(is_waiting).collect();
        new.is_written |= !waiting.is_empty();
        for generation in waiting {
            line(out, Some(&new), Some(generation))?;
            generation.is_written = true;
        }
        self.halves.push(new);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<(), EncodeError> {
        for half in self.halves.iter().filter(|half| !half.is_written) {
            match half.test.kind {
                TestKind::Tg(_) => line(out, None, Some(half))?,
                TestKind::Pp(_) | TestKind::Embd(_) => line(out, Some(half), None)?,
            }
        }
        Ok(())
    }
}

impl Half {
    /// Whether this is a generation that begins where that prompt ends, with the same sequences.
    fn follows(&self, prompt: &Self) -> bool {
        let (TestKind::Tg(_), TestKind::Pp(n_prompt)) = (self.test.kind, prompt.test.kind) else {
            return false;
        };
        // A prefix that all share is processed once.
        let n_prompts = if self.shares_prompt() { 1 } else { self.test.n_parallel };
        let starts_alone = self.test.group.is_some() || prompt.test.n_depth == 0;
        starts_alone
            && self.row.run == prompt.row.run
            && self.test.group == prompt.test.group
            && prompt.test.n_parallel == n_prompts
            && prompt.test.n_depth.checked_add(n_prompt) == Some(self.test.n_depth)
    }

    /// Whether all sequences of this generation have one prompt. Those of a pg pair have their own.
    fn shares_prompt(&self) -> bool {
        self.test.kind.is_generation() && self.test.group.is_none() && self.row.kv_unified == Some(true)
    }

    fn seconds(&self) -> Option<f64> {
        self.row.avg_ns.map(seconds)
    }

    fn error(&self) -> Value {
        let Self { row, .. } = self;
        if row.outcome != Some(OutcomeKind::Failed) {
            return Value::Null;
        }
        json!({ "kind": row.error_kind, "message": row.error_message })
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Tokens of each sequence before the line, in its prompt, and in its generation.
fn lengths(prompt: Option<&Half>, generation: Option<&Half>) -> [u32; 3] {
    let n_gen = generation.map_or(0, |half| half.test.kind.n_tokens());
    match (prompt, generation) {
        (Some(prompt), _) => [prompt.test.n_depth, prompt.test.kind.n_tokens(), n_gen],
        (None, Some(generation)) => {
            // What is in the context is the prompt, which was not timed.
            let n_prompt = generation.test.group.map_or(generation.test.n_depth, |group| group.n_prompt);
            [generation.test.n_depth.saturating_sub(n_prompt), n_prompt, n_gen]
        }
        (None, None) => [0; 3],
    }
}

/// Writes a line at once: a killed process leaves it whole or not at all.
fn line(out: &mut dyn Write, prompt: Option<&Half>, generation: Option<&Half>) -> Result<(), EncodeError> {
    // The later one: its header knows the most.
    let Some(last) = generation.or(prompt) else { return Ok(()) };
    let mut text = Vec::new();
    for (i, (name, value)) in values(last, prompt, generation)?.into_iter().enumerate() {
        let separator = if i == 0 { "{" } else { ", " };
        write!(text, "{separator}\"{name}\": {value}")?;
    }
    writeln!(text, "}}")?;
    out.write_all(&text)?;
    Ok(())
}

fn values(
    last: &Half,
    prompt: Option<&Half>,
    generation: Option<&Half>,
) -> Result<Vec<(&'static str, Value)>, EncodeError> {
    let [n_depth, n_prompt, n_gen] = lengths(prompt, generation);
    let n_parallel = last.test.n_parallel;
    let is_shared = last.shares_prompt();
    let [depth, pp, tg, pl] = [n_depth, n_prompt, n_gen, n_parallel].map(u64::from);
    // Tokens of the prompt that are processed, and those in the memory at the end.
    let n_processed = if is_shared { pp } else { pp.saturating_mul(pl) };
    let n_before = if last.row.kv_unified == Some(true) { depth } else { depth.saturating_mul(pl) };
    let n_generated = tg.saturating_mul(pl);
    let n_kv = n_before.saturating_add(n_processed).saturating_add(n_generated);
    let times = [prompt, generation].map(|half| half.and_then(Half::seconds));
    let total = times[0].zip(times[1]).map(|(prompt, generation)| prompt + generation);
    let speed = total.filter(|&total| total > 0.0);
    let speed = speed.map(|total| n_processed.saturating_add(n_generated) as f64 / total);
    let of =
        |half: Option<&Half>, value: fn(&Flat) -> Value| half.map_or(Value::Null, |half| value(&half.row));
    // A row of this crate's own always has a header.
    let header = Flat::from(&last.row.header().unwrap_or_default()).to_map()?;
    let asked = |name: &'static str| header.get(name).cloned().unwrap_or_default();
    let value = |name: &'static str| match name {
        "n_kv_max" => asked("n_ctx"),
        "is_pp_shared" => u8::from(is_shared).into(),
        "pp" => pp.into(),
        "tg" => tg.into(),
        "pl" => pl.into(),
        "n_kv" => n_kv.into(),
        "t_pp" => times[0].into(),
        "speed_pp" => of(prompt, |row| row.avg_ts.into()),
        "t_tg" => times[1].into(),
        "speed_tg" => of(generation, |row| row.avg_ts.into()),
        "t" => total.into(),
        "speed" => speed.into(),
        "is_pg" => last.test.group.is_some().into(),
        "is_embedding" => last.test.kind.is_embedding().into(),
        "t_pp_stddev" => of(prompt, |row| row.stddev_ns.map(seconds).into()),
        "speed_pp_stddev" => of(prompt, |row| row.stddev_ts.into()),
        "t_tg_stddev" => of(generation, |row| row.stddev_ns.map(seconds).into()),
        "speed_tg_stddev" => of(generation, |row| row.stddev_ts.into()),
        "samples_pp_ns" => of(prompt, |row| row.samples_ns.clone().into()),
        "samples_tg_ns" => of(generation, |row| row.samples_ns.clone().into()),
        "speed_tg_per_sequence" => of(generation, |row| row.avg_ts_per_sequence.into()),
        "error_pp" => prompt.map_or(Value::Null, Half::error),
        "error_tg" => generation.map_or(Value::Null, Half::error),
        asked_for => asked(asked_for),
    };
    let mut values: Vec<(&'static str, Value)> = THEIRS.map(|name| (name, value(name))).into();
    values.push(("schema_version", last.row.schema_version.into()));
    values.push(("run", last.row.run.into()));
    values.push(("n_depth", depth.into()));
    values.extend(OURS.map(|name| (name, value(name))));
    values.push(("step_p50_ns", of(generation, |row| row.step_p50_ns.into())));
    values.push(("step_p90_ns", of(generation, |row| row.step_p90_ns.into())));
    values.push(("step_p99_ns", of(generation, |row| row.step_p99_ns.into())));
    // The rest of the run. What is not known is left out: there is a lot of it.
    for field in FIELDS {
        let is_told = ["n_prompt", "n_gen", "n_ctx"].contains(&field.name)
            || values.iter().any(|(name, _)| *name == field.name);
        let value = asked(field.name);
        if !is_told && !is_empty(&value) {
            values.push((field.name, value));
        }
    }
    Ok(values)
}
