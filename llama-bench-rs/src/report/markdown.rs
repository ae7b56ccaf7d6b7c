use std::{io::Write, path::Path};

use serde_json::{Map, Value, json};

use super::{
    Flat, OutcomeKind, Stat,
    flat::to_text,
    in_words::one_line,
    sink::{Encode, EncodeError},
};

/// The table for people: llama-bench's columns, widths and rounding.
#[derive(Default)]
pub(super) struct Markdown {
    announced: Vec<Map<String, Value>>,
    columns: Vec<&'static str>,
    builds: Vec<String>,
    /// Texts that are too long for a column, each once.
    long: Vec<String>,
    /// Why cells failed, each reason once; a cell has the number of its own.
    reasons: Vec<String>,
    /// What is shown as a cell's speed.
    stat: Stat,
    /// The file of each run, if there are several: the first column.
    files: Vec<String>,
    /// Runs that were begun.
    n_begun: usize,
}

/// The column of a run's file.
const FILE: &str = "file";

/// A parameter that has a column only where it is worth one.
struct Param {
    field: &'static str,
    heading: &'static str,
    /// Negative: aligned left, as C's printf has it.
    width: isize,
    default: Value,
}

impl Encode for Markdown {
    fn show(&mut self, stat: Stat) {
        self.stat = stat;
    }

    fn name_files(&mut self, names: &[String]) {
        self.files = names.to_vec();
    }

    fn announce(&mut self, runs: &[Flat]) {
        self.announced = runs.iter().filter_map(|run| run.to_map().ok()).collect();
    }

    fn begin(&mut self, out: &mut dyn Write, run: &Flat) -> Result<(), EncodeError> {
        self.n_begun += 1;
        let map = run.to_map()?;
        let mut wanted = columns(&[std::slice::from_ref(&map), &self.announced].concat());
        if !self.files.is_empty() {
            wanted.insert(0, FILE);
        }
        if self.columns.is_empty() || wanted.iter().any(|column| !self.columns.contains(column)) {
            if !self.columns.is_empty() {
                writeln!(out)?;
            }
            self.columns = wanted;
            let speed = self.stat.heading();
            let heading = |column: &'static str| if column == "t/s" { &speed } else { heading(column) };
            write_line(out, self.columns.iter().map(|c| pad(heading(c), self.width(c))))?;
            write_line(out, self.columns.iter().map(|c| rule(self.width(c))))?;
        }
        let mut build = format!("build: {}", inline(&run.build_commit));
        // As llama-bench has it; 0 stands for a number that is not known.
        if let Some(number) = run.build_number {
            build += &format!(" ({number})");
        }
        if build.len() > "build: ".len() && !self.builds.contains(&build) {
            self.builds.push(build);
        }
        Ok(())
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        let map = row.to_map()?;
        let mut cells = Vec::new();
        for column in self.columns.clone() {
            let value = self.value(column, row, &map);
            let value = inline(&self.shortened(column, value));
            cells.push(pad(&value, self.width(column)));
        }
        write_line(out, cells.into_iter())?;
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write) -> Result<(), EncodeError> {
        for (i, long) in self.long.iter().enumerate() {
            writeln!(out, "{}ot {}: {}", if i == 0 { "\n" } else { "" }, i + 1, inline(long))?;
        }
        for (i, reason) in self.reasons.iter().enumerate() {
            writeln!(out, "{}({}) {reason}", if i == 0 { "\n" } else { "" }, i + 1)?;
        }
        for (i, build) in self.builds.iter().enumerate() {
            writeln!(out, "{}{build}", if i == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl Markdown {
    /// A model with an override for every layer would make each row as long as a page: such a text gets a number here
    /// and stands below the table.
    fn shortened(&mut self, column: &str, value: String) -> String {
        const LONGEST: usize = 60;
        if column != "tensor_buft_overrides" || value.chars().count() <= LONGEST {
            return value;
        }
        let index = self.long.iter().position(|long| *long == value).unwrap_or_else(|| {
            self.long.push(value);
            self.long.len() - 1
        });
        format!("ot {}", index + 1)
    }
}

/// The columns that these runs need, in llama-bench's order.
fn columns(runs: &[Map<String, Value>]) -> Vec<&'static str> {
    let differs = |field: &str| runs.iter().any(|run| run.get(field) != runs[0].get(field));
    let any = |test: &dyn Fn(&Map<String, Value>) -> bool| runs.iter().any(test);
    let text = |run: &Map<String, Value>, field: &str| {
        run.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_known = |run: &Map<String, Value>, field: &str| {
        run.get(field).is_some_and(|value| !value.is_null() && value != "")
    };
    let mut columns = vec!["model", "size", "params", "backend"];
    for Param { field, default, .. } in params() {
        let cpu = |run: &Map<String, Value>| {
            ["CPU", "BLAS", "ZenDNN"].iter().any(|name| text(run, "backends").contains(name))
        };
        let shown = match field {
            "n_gpu_layers" => differs(field) || any(&|run| is_known(run, field) && !cpu(run)),
            "n_threads" => differs(field) || any(&|run| is_known(run, field) && cpu(run)),
            "n_threads_batch" => any(&|run| is_known(run, field) && run.get(field) != run.get("n_threads")),
            _ => differs(field) || any(&|run| is_known(run, field) && run.get(field) != Some(&default)),
        };
        if shown {
            columns.push(field);
        }
    }
    columns.extend(["test", "t/s"]);
    columns
}

/// llama-bench's parameters in its order with its short headings, widths and defaults; the last two are ours.
fn params() -> [Param; 26] {
    let param = |field, heading, width, default| Param { field, heading, width, default };
    [
        param("n_gpu_layers", "ngl", 3, json!(-1)),
        param("n_cpu_moe", "n_cpu_moe", 10, json!(0)),
        param("n_threads", "threads", 7, Value::Null),
        param("n_threads_batch", "threads_b", 9, Value::Null),
        param("cpu_mask", "cpu_mask", -10, json!("0x0")),
        param("cpu_strict", "cpu_strict", 10, json!(false)),
        param("poll", "poll", 10, json!(50)),
        param("n_batch", "n_batch", 7, json!(2048)),
        param("n_ubatch", "n_ubatch", 8, json!(512)),
        param("type_k", "type_k", 6, json!("f16")),
        param("type_v", "type_v", 6, json!("f16")),
        param("main_gpu", "main_gpu", 10, json!(0)),
        param("split_mode", "sm", 6, json!("layer")),
        param("no_kv_offload", "nkvo", 13, json!(false)),
        param("flash_attn", "fa", 3, json!(-1)),
        param("devices", "dev", -12, json!("auto")),
        param("tensor_split", "ts", -12, json!("0.00")),
        param("tensor_buft_overrides", "ot", -21, json!("none")),
        param("load_mode", "lm", 10, json!("auto")),
        param("lazy_mode", "lazy_mode", -10, json!("auto")),
        param("embeddings", "embd", 10, json!(false)),
        param("no_op_offload", "nopo", 4, json!(0)),
        param("no_host", "noh", 4, json!(false)),
        param("repack", "rpk", 3, json!(true)),
        param("swa_full", "swa_full", 10, json!(false)),
        param("method", "method", -13, json!("rewind")),
    ]
}

fn heading(column: &'static str) -> &'static str {
    params().into_iter().find(|p| p.field == column).map_or(column, |p| p.heading)
}

fn width(column: &str) -> isize {
    match column {
        "model" => -30,
        "size" | "params" => 10,
        "backend" => -10,
        "test" => 15,
        "t/s" => 20,
        _ => params().iter().find(|p| p.field == column).map_or(10, |p| p.width),
    }
}

impl Markdown {
    fn width(&self, column: &str) -> isize {
        let widest = || self.files.iter().map(|name| inline(name).chars().count()).max().unwrap_or(0);
        if column == FILE { -(widest().max(FILE.len()) as isize) } else { width(column) }
    }

    fn value(&mut self, column: &str, row: &Flat, map: &Map<String, Value>) -> String {
        match column {
            FILE => self.n_begun.checked_sub(1).and_then(|n| self.files.get(n)).cloned().unwrap_or_default(),
            // Of a model that was not loaded the file's name is known and nothing else.
            "model" if row.model_type.is_empty() => file_name(&row.model_filename),
            "model" => row.model_type.clone(),
            "size" => row.model_size.map(size).unwrap_or_default(),
            "params" => row.model_n_params.map(params_in_words).unwrap_or_default(),
            "backend" => row.backends.clone(),
            "test" => row.test().map(|test| test.to_string()).unwrap_or_default(),
            "t/s" => self.rate(row),
            field => map.get(field).and_then(to_text).unwrap_or_default(),
        }
    }

    /// `mean ± stddev`, the mean alone where there is no spread, or the number of the reason below the table why there is
    /// neither.
    fn rate(&mut self, row: &Flat) -> String {
        match (row.outcome, row.avg_ts, row.stddev_ts) {
            (Some(OutcomeKind::Failed), ..) => {
                let kind = row.error_kind.as_deref().unwrap_or("unknown");
                let message = one_line(row.error_message.as_deref().unwrap_or_default());
                format!("failed: {kind} ({})", self.number_of(format!("{kind}: {message}")))
            }
            _ if self.stat != Stat::Mean => self.of_samples(row),
            (_, Some(mean), Some(stddev)) => format!("{mean:.2} ± {stddev:.2}"),
            (_, Some(mean), None) => format!("{mean:.2}"),
            (_, None, _) => "no time passed".into(),
        }
    }

    /// The statistic of the repetitions, if the row has any.
    fn of_samples(&self, row: &Flat) -> String {
        let n_tokens = row.test().map_or(0, |test| test.kind.n_tokens());
        match (self.stat.of(n_tokens, &row.samples_ns), row.samples_ns.is_empty()) {
            (Some((rate, Some(spread))), _) => format!("{:.2} ± {:.2}", rate.get(), spread.get()),
            (Some((rate, None)), _) => format!("{:.2}", rate.get()),
            (None, true) => "repetitions unknown".into(),
            (None, false) => "no time passed".into(),
        }
    }

    /// Counted from 1.
    fn number_of(&mut self, reason: String) -> usize {
        let reason = reason.replace(|c: char| c.is_control(), " ");
        match self.reasons.iter().position(|known| *known == reason) {
            Some(at) => at + 1,
            None => {
                self.reasons.push(reason);
                self.reasons.len()
            }
        }
    }
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Bytes in binary units, as llama-bench rounds them.
fn size(bytes: u64) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    match bytes {
        0..0x4000_0000 => format!("{:.2} MiB", bytes as f64 / MIB),
        _ => format!("{:.2} GiB", bytes as f64 / MIB / 1024.0),
    }
}

/// A number of parameters in millions or (American) billions, as llama-bench rounds it.
fn params_in_words(n: u64) -> String {
    match n {
        0..1_000_000_000 => format!("{:.2} M", n as f64 / 1e6),
        _ => format!("{:.2} B", n as f64 / 1e9),
    }
}

/// What would end a cell or a line of the table is escaped or blank.
fn inline(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ").replace('|', "\\|")
}

fn write_line(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> std::io::Result<()> {
    let cells: Vec<String> = cells.collect();
    writeln!(out, "| {} |", cells.join(" | "))
}

/// C's `%*s`, counted in characters.
fn pad(text: &str, width: isize) -> String {
    match width {
        0.. => format!("{text:>0$}", width.unsigned_abs()),
        _ => format!("{text:<0$}", width.unsigned_abs()),
    }
}

fn rule(width: isize) -> String {
    let dashes = "-".repeat(width.unsigned_abs() - 1);
    format!("{dashes}{}", if width > 0 { ':' } else { '-' })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_as_llama_bench_does() {
        assert_eq!(size(11_607_318_528), "10.81 GiB");
        assert_eq!(size(0x4000_0000 - 1), "1024.00 MiB");
        assert_eq!(size(0x4000_0000), "1.00 GiB");
        assert_eq!(params_in_words(20_914_757_184), "20.91 B");
        assert_eq!(params_in_words(999_999_999), "1000.00 M");
    }

    #[test]
    fn a_long_override_stands_below_the_table_once() {
        let run = |overrides: &str| Flat { tensor_buft_overrides: overrides.into(), ..Flat::default() };
        let [one, other] = [r"blk\.1\.=CPU;", r"blk\.2\.=CPU;"].map(|text| run(&text.repeat(40)));
        let (mut table, mut out) = (Markdown::default(), Vec::new());
        table.begin(&mut out, &one).unwrap();
        for row in [&one, &other, &one, &run("exps=CPU")] {
            table.row(&mut out, row).unwrap();
        }
        table.finish(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).skip(2).collect();
        for (row, shown) in rows.iter().zip(["| ot 1 ", "| ot 2 ", "| ot 1 ", "| exps=CPU "]) {
            assert!(row.contains(shown) && row.len() < 300, "{row}");
        }
        assert_eq!(text.matches(&one.tensor_buft_overrides).count(), 1, "{text}");
        assert!(text.contains(&format!("\not 2: {}\n", other.tensor_buft_overrides)), "{text}");
    }

    #[test]
    fn text_cannot_leave_its_cell() {
        assert_eq!(inline("a|b\nc\0"), "a\\|b c ");
    }
}
