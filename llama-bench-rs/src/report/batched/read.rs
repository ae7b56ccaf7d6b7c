use std::collections::HashSet;

use serde_json::{Value, json};

use super::{OURS, Object, Placed, THEIRS, is_line};
use crate::{
    record::SCHEMA_VERSION,
    report::{Place, Problem, ReportError},
};

/// A line that is not JSON because llama-batched-bench divided by a time of zero: without the quotient.
pub(in crate::report) fn without_nan(line: &str) -> Option<Object> {
    let mut line = line.to_owned();
    for word in ["-nan", "nan", "-inf", "inf"] {
        line = line.replace(&format!(": {word}"), ": null");
    }
    serde_json::from_str(&line).ok().filter(is_line)
}

/// Whether any of these objects is a line of llama-batched-bench.
pub(in crate::report) fn has_lines(objects: &[(Place, Object)]) -> bool {
    objects.iter().any(|(_, object)| is_line(object))
}

/// The rows of these objects: of each line its halves; all others are rows already.
///
/// llama-batched-bench measures each line once, and a line that comes again is of another run of it. With a shared prefix,
/// every line measures the same prompt again: those are repetitions.
pub(in crate::report) fn rows(objects: Placed) -> Result<Placed, ReportError> {
    let mut reader = Reader { copies_prefix: copies_prefix(&objects), ..Reader::default() };
    for (place, object) in objects {
        // A newer version may have changed everything: the row says so.
        let is_newer = object.get("schema_version").and_then(Value::as_u64) > Some(SCHEMA_VERSION.into());
        if is_newer || !is_line(&object) {
            reader.rows.push((place, object));
        } else {
            reader.line(place, object).map_err(|problem| ReportError::Field { place, problem })?;
        }
    }
    Ok(reader.rows)
}

/// Whether a shared prefix was copied into a memory of each sequence, for which the memory then has room.
fn copies_prefix(objects: &[(Place, Object)]) -> bool {
    let is_copied = |line: &Object| {
        let number = |name: &str| line.get(name).and_then(Value::as_u64);
        let [Some(pp), Some(tg), Some(pl), Some(n_kv)] = ["pp", "tg", "pl", "n_kv"].map(number) else {
            return false;
        };
        let is_shared = number("is_pp_shared") == Some(1) && !line.contains_key("schema_version");
        is_shared && pl > 1 && pp.checked_add(tg).and_then(|each| each.checked_mul(pl)) == Some(n_kv)
    };
    objects.iter().any(|(_, line)| is_copied(line))
}

#[derive(Default)]
struct Reader {
    rows: Placed,
    copies_prefix: bool,
    /// The run of llama-batched-bench that lines are of.
    run: u32,
    /// Its lines so far, without their figures.
    seen: HashSet<String>,
    /// The prompts so far, without their figures, and where their rows are.
    prompts: Vec<(String, usize)>,
}

/// What both halves of a line have in common.
struct Line {
    object: Object,
    is_ours: bool,
    is_shared: bool,
    /// Tokens of each sequence before the line, in its prompt, and in its generation.
    lengths: [u32; 3],
    n_parallel: u32,
    is_pg: bool,
}

impl Reader {
    fn line(&mut self, place: Place, object: Object) -> Result<(), Problem> {
        let line = Line::of(object)?;
        if !line.is_ours && !self.seen.insert(line.identity(&["pp", "tg", "pl"])) {
            self.run += 1;
            self.seen = HashSet::from([line.identity(&["pp", "tg", "pl"])]);
        }
        let shared = self.header(&line);
        if let Some(prompt) = line.prompt(&shared)? {
            self.add_prompt(place, &line, prompt);
        }
        if let Some(generation) = line.generation(&shared)? {
            self.rows.push((place, generation));
        }
        Ok(())
    }

    /// The fields that the rows of both halves share.
    fn header(&self, line: &Line) -> Object {
        let mut header = line.object.clone();
        header.retain(|name, _| {
            let name = &name.as_str();
            let is_of_the_run =
                ["n_batch", "n_ubatch", "flash_attn", "n_gpu_layers", "n_threads", "n_threads_batch"];
            is_of_the_run.contains(name)
                || !(THEIRS.contains(name) || OURS.contains(name) || name.starts_with("step_p"))
        });
        if let Some(n_ctx) = line.object.get("n_kv_max") {
            header.insert("n_ctx".into(), n_ctx.clone());
        }
        header.entry("model_filename").or_insert("".into());
        if !line.is_ours {
            header.insert("run".into(), self.run.into());
            if line.is_shared {
                header.insert("kv_unified".into(), (!self.copies_prefix).into());
            }
        }
        header
    }

    fn add_prompt(&mut self, place: Place, line: &Line, prompt: Object) {
        // This crate repeats the prompt on every line that it is half of, with its figures.
        let figures = if line.is_ours {
            line.identity(&["run_started_at", "t_pp", "samples_pp_ns"])
        } else {
            String::new()
        };
        let test = ["run", "test_kind", "n_prompt", "n_depth", "n_parallel", "pg_prompt", "pg_gen"];
        let test: String = test.iter().map(|name| format!("{:?} ", prompt.get(*name))).collect();
        let identity = test + &line.identity(&[]) + &figures;
        let known = self.prompts.iter().find(|(known, _)| *known == identity).map(|(_, at)| *at);
        match known {
            Some(_) if line.is_ours => {}
            Some(at) => {
                let more = prompt.get("samples_ns").and_then(Value::as_array).cloned().unwrap_or_default();
                if let Some(Value::Array(samples)) = self.rows[at].1.get_mut("samples_ns") {
                    samples.extend(more);
                }
            }
            None => {
                self.prompts.push((identity, self.rows.len()));
                self.rows.push((place, prompt));
            }
        }
    }
}

impl Line {
    fn of(object: Object) -> Result<Self, Problem> {
        let is_ours = object.contains_key("schema_version");
        let [n_depth, pp, tg] =
            [("n_depth", 0), ("pp", 0), ("tg", 0)].map(|(name, least)| number(&object, name, least));
        let (n_depth, pp, tg, n_parallel) = (n_depth?, pp?, tg?, number(&object, "pl", 1)?);
        let is_shared = switch(&object, "is_pp_shared")?;
        let is_pg = if is_ours { switch(&object, "is_pg")? } else { !is_shared && pp > 0 && tg > 0 };
        Ok(Self { object, is_ours, is_shared, lengths: [n_depth, pp, tg], n_parallel, is_pg })
    }

    /// These fields and the configuration, as text.
    fn identity(&self, names: &[&str]) -> String {
        let config = &THEIRS[1..8];
        let values = config.iter().chain(names).map(|name| self.object.get(*name).unwrap_or(&Value::Null));
        values.map(|value| format!("{value} ")).collect()
    }

    fn prompt(&self, header: &Object) -> Result<Option<Object>, Problem> {
        let [n_depth, pp, _] = self.lengths;
        let kind = if switch(&self.object, "is_embedding")? { "embd" } else { "pp" };
        let Some(mut row) = self.half(header, ["t_pp", "speed_pp", "samples_pp_ns", "error_pp"])? else {
            return Ok(None);
        };
        row.extend(fields(json!({
            "test_kind": kind,
            "n_prompt": pp,
            "n_gen": 0,
            "n_depth": n_depth,
            // A prefix that all share is processed once.
            "n_parallel": if self.is_shared { 1 } else { self.n_parallel },
        })));
        if kind == "embd" {
            row.insert("embeddings".into(), true.into());
        }
        Ok(Some(row).filter(|_| pp > 0))
    }

    fn generation(&self, header: &Object) -> Result<Option<Object>, Problem> {
        let [n_depth, pp, tg] = self.lengths;
        let Some(mut row) = self.half(header, ["t_tg", "speed_tg", "samples_tg_ns", "error_tg"])? else {
            return Ok(None);
        };
        let n_before = n_depth.checked_add(pp);
        let n_before = n_before
            .ok_or_else(|| Problem::new("pp", pp, "fewer tokens: there are too many with n_depth"))?;
        row.extend(fields(json!({
            "test_kind": "tg",
            "n_prompt": 0,
            "n_gen": tg,
            "n_depth": n_before,
            "n_parallel": self.n_parallel,
        })));
        Ok(Some(row).filter(|_| tg > 0))
    }

    /// The figures of a half; `None` if it was not measured.
    fn half(
        &self,
        header: &Object,
        [time, rate, samples, error]: [&'static str; 4],
    ) -> Result<Option<Object>, Problem> {
        let mut row = header.clone();
        if self.is_pg {
            row.extend(fields(json!({ "pg_prompt": self.lengths[1], "pg_gen": self.lengths[2] })));
        }
        if let Some(Value::Object(error)) = self.object.get(error) {
            row.extend(fields(json!({
                "outcome": "failed",
                "error_kind": error.get("kind"),
                "error_message": error.get("message"),
                "avg_ns": null,
            })));
            return Ok(Some(row));
        }
        let Some(avg_ns) = nanoseconds(&self.object, time)? else { return Ok(None) };
        row.insert("avg_ns".into(), avg_ns.into());
        match self.object.get(samples) {
            Some(Value::Array(all)) if !all.is_empty() => row.insert("samples_ns".into(), all.clone().into()),
            _ if self.is_ours => {
                let [time, rate_spread] = [time, rate].map(|name| format!("{name}_stddev"));
                let known = |name: &str| self.object.get(name).cloned().unwrap_or_default();
                let stddev_ns = known(&time).as_f64().and_then(whole_nanoseconds);
                row.extend(fields(json!({
                    "stddev_ns": stddev_ns,
                    "avg_ts": known(rate),
                    "stddev_ts": known(&rate_spread),
                })));
                None
            }
            // llama-batched-bench measures once.
            _ => row.insert("samples_ns".into(), vec![avg_ns].into()),
        };
        Ok(Some(row))
    }
}

fn fields(value: Value) -> Object {
    match value {
        Value::Object(fields) => fields,
        _ => Object::new(),
    }
}

/// A number of tokens or sequences; `least` if the line does not say.
fn number(object: &Object, name: &'static str, least: u32) -> Result<u32, Problem> {
    let Some(value) = object.get(name) else { return Ok(least) };
    let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|&n| n >= least);
    number.ok_or_else(|| Problem::new(name, value, format!("a whole number, {least} or more")))
}

/// 0 or 1, false or true; false if the line does not say.
fn switch(object: &Object, name: &'static str) -> Result<bool, Problem> {
    match object.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(value) if value.as_u64().is_some_and(|n| n <= 1) => Ok(value.as_u64() == Some(1)),
        Some(value) => Err(Problem::new(name, value, "0 or 1")),
    }
}

/// A time in seconds; `None` if it is null.
fn nanoseconds(object: &Object, name: &'static str) -> Result<Option<u64>, Problem> {
    let value = object.get(name).filter(|value| !value.is_null());
    let Some(value) = value else { return Ok(None) };
    let ns = value.as_f64().and_then(whole_nanoseconds);
    ns.map(Some).ok_or_else(|| Problem::new(name, value, "a time in seconds"))
}

fn whole_nanoseconds(seconds: f64) -> Option<u64> {
    let ns = (seconds * 1e9).round();
    // What a signed integer holds: 292 years.
    (0.0..=i64::MAX as f64).contains(&ns).then_some(ns as u64)
}
