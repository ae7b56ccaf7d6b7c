//! What the time of one test consists of: the whole, its blocks below it, and their operations below those.

use maud::{Markup, html};

use super::{
    Drawn,
    depth::activity,
    panel::{SIZE, width_of},
    profile::Layer,
    series::{KINDS, clean},
    speed::figure,
    theme::Ink,
};
use crate::{
    llama::BlockKind,
    record::{OperationTime, Report, Test},
    report::profiles::{ProfileRow, Profiles},
    units,
};

const MARGIN: f64 = 6.0;
/// Where the first row begins, how high a row is, and what is between two.
const TOP: f64 = 46.0;
const ROW: f64 = 24.0;
const GAP: f64 = 2.0;

/// A bar of a row, in milliseconds from the left.
struct Bar {
    from: f64,
    width: f64,
    ink: Ink,
    opacity: f64,
    /// What was measured, which an operation's part of its block may differ from.
    ms: f64,
    name: String,
}

/// A panel for each kind of test and configuration at its shallowest and at its deepest context, and how to read them.
pub(super) fn panels(report: &Report) -> (Vec<Drawn>, String) {
    let Some(profiles) = Profiles::of(report) else { return (Vec::new(), String::new()) };
    let mut shown: Vec<&ProfileRow<'_>> = Vec::new();
    for is_kind in KINDS {
        let rows = || profiles.rows.iter().filter(|row| is_kind(row.test.kind));
        let mut seen: Vec<(&str, Test)> = Vec::new();
        for row in rows() {
            let key = (row.name.as_str(), row.test.at_any_depth());
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let alike = || rows().filter(|other| (other.name.as_str(), other.test.at_any_depth()) == key);
            let ends =
                [alike().min_by_key(|row| row.test.n_depth), alike().max_by_key(|row| row.test.n_depth)];
            let mut ends: Vec<_> = ends.into_iter().flatten().collect();
            ends.dedup_by_key(|row| row.test.n_depth);
            shown.extend(ends);
        }
    }
    let caption = "A row divides the one above it: a repetition, its blocks, and the operations of those that were traced, \
                   with what these took by themselves."
        .to_owned();
    (shown.into_iter().map(drawn).collect(), caption)
}

fn drawn(row: &ProfileRow<'_>) -> Drawn {
    let rows = [total(row), blocks(row), operations(row)];
    let whole = rows[1].iter().map(|bar| bar.from + bar.width).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let scale = (f64::from(SIZE.0) - 2.0 * MARGIN) / whole;
    let name = if row.name.is_empty() { String::new() } else { format!(", {}", clean(&row.name)) };
    let heading = format!("{}, {}{name}", activity(row.test.kind), row.test);
    let unit = if row.test.kind.is_generation() { "ms per token" } else { "ms" };
    let elements = html! {
        text class=(Ink::Text.fill_class()) fill=(Ink::Text.light()) x=(MARGIN) y="19" font-size="14" font-weight="bold" {
            (heading)
        }
        text class=(Ink::Muted.fill_class()) fill=(Ink::Muted.light()) x=(MARGIN) y="37" font-size="11" { (unit) }
        @for (n, bars) in rows.iter().enumerate() {
            @for bar in bars { (bar.svg(TOP + n as f64 * (ROW + GAP), scale)) }
        }
    };
    let n_rows = rows.iter().filter(|bars| !bars.is_empty()).count();
    let height = (TOP + n_rows as f64 * (ROW + GAP) + 8.0) as u32;
    let parts: Vec<String> =
        rows[1].iter().map(|bar| format!("{} {} {unit}", bar.name, figure(bar.width))).collect();
    let description = format!("{}: {}.", row.test, parts.join(", "));
    Drawn { heading, description, size: (SIZE.0, height), fine: 1, elements: elements.into_string() }
}

fn total(row: &ProfileRow<'_>) -> Vec<Bar> {
    let width = Layer::all(&[row]).iter().map(|layer| layer.ms(row)).sum();
    vec![Bar { from: 0.0, width, ink: Ink::Grid, opacity: 1.0, ms: width, name: "one repetition".into() }]
}

/// The largest first.
fn layers(row: &ProfileRow<'_>) -> Vec<(Layer, f64)> {
    let mut layers: Vec<(Layer, f64)> =
        Layer::all(&[row]).into_iter().map(|layer| (layer, layer.ms(row))).collect();
    layers.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    layers
}

fn blocks(row: &ProfileRow<'_>) -> Vec<Bar> {
    let mut from = 0.0;
    let bar = |(layer, width): (Layer, f64)| {
        from += width;
        Bar {
            from: from - width,
            width,
            ink: layer.ink(),
            opacity: 0.45,
            ms: width,
            name: layer.name().into(),
        }
    };
    layers(row).into_iter().map(bar).collect()
}

/// Each block's, as wide as it is together.
fn operations(row: &ProfileRow<'_>) -> Vec<Bar> {
    let Some(times) = &row.profile.operations else { return Vec::new() };
    let mut bars = Vec::new();
    let mut from = 0.0;
    for (layer, width) in layers(row) {
        if let Layer::Block(kind) = layer {
            let own: Vec<(&OperationTime, u64)> = of_block(&times.operations, kind);
            let all = units::total(own.iter().map(|&(_, ns)| ns));
            let mut at = from;
            for (operation, ns) in own {
                let width = width * ns as f64 / all.max(1) as f64;
                let ms = row.ms(ns as f64);
                let name = format!("{} {}", operation.op, operation.data_type);
                bars.push(Bar { from: at, width, ink: layer.ink(), opacity: 0.25, ms, name });
                at += width;
            }
        }
        from += width;
    }
    bars
}

fn of_block(all: &[OperationTime], kind: BlockKind) -> Vec<(&OperationTime, u64)> {
    all.iter().filter(|it| it.block == kind).filter_map(|it| Some((it, it.elapsed_ns?))).collect()
}

impl Bar {
    fn svg(&self, top: f64, scale: f64) -> Markup {
        let (x, width) = (MARGIN + self.from * scale, self.width * scale);
        let time = figure(self.ms);
        let long = format!("{} {time}", self.name);
        let text = [long.clone(), self.name.clone()].into_iter().find(|text| width_of(text) + 8.0 <= width);
        html! {
            @if width >= 0.5 {
                g {
                    title { (long) " ms" }
                    rect class=(self.ink.fill_class()) fill=(self.ink.light()) opacity=(self.opacity)
                        x=(at(x)) y=(at(top)) width=(at((width - 1.0).max(0.5))) height=(ROW) rx="2" {}
                    @if let Some(text) = text {
                        text class=(Ink::Text.fill_class()) fill=(Ink::Text.light()) x=(at(x + 4.0)) y=(at(top + 16.0))
                            font-size="11" { (text) }
                    }
                }
            }
        }
    }
}

/// A place with as many decimals as can be seen.
fn at(units: f64) -> String {
    format!("{units:.1}")
}
