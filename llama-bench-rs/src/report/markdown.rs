use std::{io::Write, path::Path};

use serde_json::{Map, Value};

use super::{
    Flat, OutcomeKind, Shown, Stat,
    answer::LightFigure,
    flat::to_text,
    in_words::{count, one_line, plural},
    sink::{Encode, EncodeError},
};
use crate::{
    record::{
        Config, Failure,
        parameters::{Parameter, differing, in_reading_order},
    },
    units::{
        text::printable,
        words::{digits, mebibytes, parameters},
    },
};

/// The table for people: llama-bench's columns, widths and rounding.
#[derive(Default)]
pub(super) struct Markdown {
    announced: Vec<Run>,
    columns: Vec<Column>,
    builds: Vec<String>,
    /// Texts that are too long for a column, each once.
    long: Vec<String>,
    /// Why cells failed, each reason once; a cell has the number of its own.
    reasons: Vec<String>,
    /// What is shown as a cell's speed.
    shown: Shown,
    /// Tests without a row, since the sweep was interrupted before them.
    n_not_begun: usize,
    /// The file of each run, if there are several: the first column.
    files: Vec<String>,
    /// Runs that were begun.
    n_begun: usize,
}

/// What decides which columns a run needs.
#[derive(Clone)]
struct Run {
    config: Config,
    is_on_cpu: bool,
}

impl Run {
    /// A row of our own always has a configuration.
    fn of(row: &Flat) -> Self {
        let is_on_cpu = ["CPU", "BLAS", "ZenDNN"].iter().any(|name| row.backends.contains(name));
        Self { config: row.config().unwrap_or_default(), is_on_cpu }
    }
}

/// A column of the table.
#[derive(Clone, Copy)]
enum Column {
    /// The file that a run was read from, if there are several.
    File,
    Model,
    Size,
    Params,
    Backend,
    Parameter(&'static Parameter),
    Test,
    Speed,
    /// Joules per token.
    Energy,
    /// The share of the speed of light.
    Light,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Column {
    fn name(&self) -> &'static str {
        match self {
            Column::File => "file",
            Column::Model => "model",
            Column::Size => "size",
            Column::Params => "params",
            Column::Backend => "backend",
            Column::Parameter(Parameter { column: Some((heading, _)), .. }) => heading,
            Column::Parameter(parameter) => parameter.name,
            Column::Test => "test",
            Column::Speed => "t/s",
            Column::Energy => "J/token",
            Column::Light => "of light",
        }
    }

    /// Negative: aligned left, as C's printf has it.
    fn width(&self) -> isize {
        match self {
            Column::File | Column::Model => -30,
            Column::Size | Column::Params => 10,
            Column::Backend => -10,
            Column::Parameter(Parameter { column: Some((_, width)), .. }) => *width,
            Column::Parameter(_) => 10,
            Column::Test => 15,
            Column::Energy => 18,
            Column::Light => 22,
            Column::Speed => 20,
        }
    }
}

impl Encode for Markdown {
    fn show(&mut self, shown: Shown) {
        self.shown = shown;
    }

    fn name_files(&mut self, names: &[String]) {
        self.files = names.to_vec();
    }

    fn announce(&mut self, runs: &[Flat]) {
        self.announced = runs.iter().map(Run::of).collect();
    }

    fn begin(&mut self, out: &mut dyn Write, run: &Flat) -> Result<(), EncodeError> {
        self.n_begun += 1;
        let mut wanted = columns(&[&[Run::of(run)], &self.announced[..]].concat());
        if !self.files.is_empty() {
            wanted.insert(0, Column::File);
        }
        if self.shown.joules {
            wanted.push(Column::Energy);
        }
        if self.shown.light {
            wanted.push(Column::Light);
        }
        if self.columns.is_empty() || wanted.iter().any(|column| !self.columns.contains(column)) {
            if !self.columns.is_empty() {
                writeln!(out)?;
            }
            self.columns = wanted;
            let speed = self.shown.stat.heading();
            let heading = |column: &Column| {
                let heading = if *column == Column::Speed { &speed } else { column.name() };
                pad(heading, self.width(*column))
            };
            write_line(out, self.columns.iter().map(heading))?;
            write_line(out, self.columns.iter().map(|column| rule(self.width(*column))))?;
        }
        let mut build = format!("build: {}", inline(&run.build_commit));
        // As llama-bench has it; 0 is a number that is not known.
        if let Some(number) = run.build_number {
            build += &format!(" ({number})");
        }
        if build.len() > "build: ".len() && !self.builds.contains(&build) {
            self.builds.push(build);
        }
        Ok(())
    }

    fn row(&mut self, out: &mut dyn Write, row: &Flat) -> Result<(), EncodeError> {
        if (row.outcome, row.error_kind.as_deref()) == (Some(OutcomeKind::Failed), Some("cancelled")) {
            self.n_not_begun += 1;
            return Ok(());
        }
        let map = row.to_map()?;
        let mut cells = Vec::new();
        for column in self.columns.clone() {
            let value = self.value(column, row, &map);
            cells.push(pad(&inline(&self.shortened(column, value)), self.width(column)));
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
        if self.n_not_begun > 0 {
            let (tests, are) = (count(self.n_not_begun, "test"), plural(self.n_not_begun, "is", "are"));
            writeln!(out, "\n{tests} {are} not in the table: the sweep was interrupted before them.")?;
        }
        for (i, build) in self.builds.iter().enumerate() {
            writeln!(out, "{}{build}", if i == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl Markdown {
    /// Overrides for every layer would make each row as long as a page: such a text gets a number here and is printed
    /// below the table.
    fn shortened(&mut self, column: Column, value: String) -> String {
        const LONGEST: usize = 60;
        let is_overrides = matches!(column, Column::Parameter(it) if it.field == "tensor_buft_overrides");
        if !is_overrides || value.chars().count() <= LONGEST {
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
fn columns(runs: &[Run]) -> Vec<Column> {
    let differing = differing(&runs.iter().map(|run| &run.config).collect::<Vec<_>>());
    let is_shown = |parameter: &Parameter| {
        let differs = differing.iter().any(|it| it.field == parameter.field);
        let any = |wanted: &dyn Fn(&Run) -> bool| {
            runs.iter().any(|run| parameter.word(&run.config).is_some() && wanted(run))
        };
        match parameter.field {
            "n_gpu_layers" => differs || any(&|run| !run.is_on_cpu),
            "n_threads" => differs || any(&|run| run.is_on_cpu),
            "n_threads_batch" => any(&|Run { config, .. }| config.n_threads_batch != config.n_threads),
            _ if parameter.column.is_some() => differs || any(&|run| !parameter.is_default(&run.config)),
            // A parameter that does not change speed does not make another configuration.
            _ => differs && parameter.key().is_some(),
        }
    };
    let parameters = in_reading_order().filter(|parameter| is_shown(parameter)).map(Column::Parameter);
    let first = [Column::Model, Column::Size, Column::Params, Column::Backend];
    first.into_iter().chain(parameters).chain([Column::Test, Column::Speed]).collect()
}

impl Markdown {
    fn width(&self, column: Column) -> isize {
        let widest = || self.files.iter().map(|name| inline(name).chars().count()).max().unwrap_or(0);
        if column == Column::File { -(widest().max(column.name().len()) as isize) } else { column.width() }
    }

    fn value(&mut self, column: Column, row: &Flat, map: &Map<String, Value>) -> String {
        match column {
            Column::File => {
                self.n_begun.checked_sub(1).and_then(|n| self.files.get(n)).cloned().unwrap_or_default()
            }
            // Of a model that was not loaded only the file's name is known.
            Column::Model if row.model_type.is_empty() => file_name(&row.model_filename),
            Column::Model => row.model_type.clone(),
            Column::Size => row.model_size.map(mebibytes).unwrap_or_default(),
            Column::Params => row.model_n_params.map(parameters).unwrap_or_default(),
            Column::Backend => row.backends.clone(),
            Column::Test => row.test().map(|test| test.to_string()).unwrap_or_default(),
            Column::Speed => self.rate(row),
            Column::Energy => self.energy(row),
            Column::Light => self.light(row),
            // As llama-bench prints it: the value in the files.
            Column::Parameter(Parameter { row, column: Some(_), .. }) => {
                map.get(*row).and_then(to_text).unwrap_or_default()
            }
            Column::Parameter(parameter) => parameter.word(&Run::of(row).config).unwrap_or_default(),
        }
    }

    /// `mean ± stddev`, or the mean alone without a spread. For a failed cell, and one whose process ended before its last
    /// repetition, the number of its reason below the table.
    fn rate(&mut self, row: &Flat) -> String {
        let rate = self.known_rate(row);
        match row.ended().filter(|_| row.outcome == Some(OutcomeKind::Measured)) {
            None => rate,
            Some(Failure { kind, message }) => {
                let reason = format!("{kind}, after some repetitions: {}", one_line(&message));
                format!("{rate} of {} ({})", row.samples_ns.len(), self.number_of(reason))
            }
        }
    }

    fn known_rate(&mut self, row: &Flat) -> String {
        match (row.outcome, row.avg_ts, row.stddev_ts) {
            (Some(OutcomeKind::Failed), ..) => {
                let kind = row.error_kind.as_deref().unwrap_or("unknown");
                let message = one_line(row.error_message.as_deref().unwrap_or_default());
                format!("failed: {kind} ({})", self.number_of(format!("{kind}: {message}")))
            }
            _ if self.shown.stat != Stat::Mean => self.of_samples(row),
            (_, Some(mean), Some(stddev)) => format!("{mean:.2} ± {stddev:.2}"),
            (_, Some(mean), None) => format!("{mean:.2}"),
            (_, None, _) => "no time passed".into(),
        }
    }

    /// The statistic of the repetitions, if the row has any.
    fn of_samples(&self, row: &Flat) -> String {
        let n_tokens = row.test().map_or(0, |test| test.n_tokens());
        match (self.shown.stat.of(n_tokens, &row.samples_ns), row.samples_ns.is_empty()) {
            (Some((rate, Some(spread))), _) => format!("{:.2} ± {:.2}", rate.get(), spread.get()),
            (Some((rate, None)), _) => format!("{:.2}", rate.get()),
            (None, true) => "repetitions unknown".into(),
            (None, false) => "no time passed".into(),
        }
    }

    /// `2.10 ± 0.065`, with half of the interval that the counters resolve, or the number of the reason why it is not known.
    fn energy(&mut self, row: &Flat) -> String {
        if let (Some(mean), Some(lower), Some(upper)) =
            (row.j_per_token, row.j_per_token_lower, row.j_per_token_upper)
        {
            return format!("{} ± {}", digits(mean, 3), digits((upper - lower) / 2.0, 2));
        }
        if row.outcome == Some(OutcomeKind::Failed) {
            return String::new();
        }
        let why = row.energy_unknown.as_deref().unwrap_or("the run was not metered");
        format!("unknown ({})", self.number_of(format!("energy: {}", one_line(why))))
    }

    /// `25.2 % (memory)` with the numbers of what is to be said of it, or of the reason why it is not known.
    fn light(&mut self, row: &Flat) -> String {
        if let (Some(figure), Some(binds)) = (light_of(row), &row.light_binds) {
            let remarks = figure.remarks();
            let numbers = remarks.iter().map(|remark| self.number_of(format!("speed of light: {remark}")));
            let numbers: String = numbers.map(|number| format!(" ({number})")).collect();
            return format!("{figure} ({}){numbers}", inline(binds));
        }
        if row.outcome == Some(OutcomeKind::Failed) {
            return String::new();
        }
        let why = row
            .light_unknown
            .as_deref()
            .unwrap_or("the ceilings of the devices were not measured (--ceilings)");
        format!("unknown ({})", self.number_of(format!("speed of light: {}", one_line(why))))
    }

    /// Counted from 1.
    fn number_of(&mut self, reason: String) -> usize {
        let reason = printable(&reason);
        match self.reasons.iter().position(|known| *known == reason) {
            Some(at) => at + 1,
            None => {
                self.reasons.push(reason);
                self.reasons.len()
            }
        }
    }
}

/// The share of the speed of light of a row, with what its work leaves out.
fn light_of(row: &Flat) -> Option<LightFigure> {
    let work = row.cell_work.iter();
    Some(LightFigure {
        share: row.light_share?,
        lower: row.light_share_lower?,
        upper: row.light_share_upper?,
        uncounted: work.flat_map(|work| work.uncounted.keys().cloned()).collect(),
    })
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// What would end a cell or a line of the table is escaped or blank.
fn inline(text: &str) -> String {
    printable(text).replace('|', "\\|")
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
#[path = "markdown_tests.rs"]
mod tests;
