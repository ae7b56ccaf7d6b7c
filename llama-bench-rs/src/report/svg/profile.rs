//! What the time of a test consists of, over depths: blocks of the model on top of each other.

use super::{
    LegendEntry,
    axis::{Axis, Extent, SpeedScale},
    depth::activity,
    panel::{Anchor, Mark, Panel, Point, Shape},
    series::{KINDS, clean},
    speed::figure,
    theme::Ink,
};
use crate::{
    llama::BlockKind,
    record::{Report, Test},
    report::profiles::{ProfileRow, Profiles, block_name},
};

/// Room on the right for the shares at the deepest depth.
const RIGHT: f64 = 44.0;
/// A layer of the stack that is lower than this has no figure, in units.
const LABELLED: f64 = 10.0;

/// A layer of the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Block(BlockKind),
    Copies,
    Rest,
}

impl Layer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Layer::Block(kind) => block_name(kind),
            Layer::Copies => "copies between devices",
            Layer::Rest => "rest",
        }
    }

    pub(super) fn ink(self) -> Ink {
        match self {
            Layer::Block(BlockKind::FeedForward) => Ink::Series(0),
            Layer::Block(BlockKind::Attention) => Ink::Series(1),
            Layer::Block(BlockKind::Output) => Ink::Series(2),
            Layer::Block(BlockKind::Mixer) => Ink::Series(3),
            Layer::Block(BlockKind::Experts) => Ink::Series(4),
            Layer::Copies => Ink::Series(5),
            Layer::Block(BlockKind::Other) => Ink::Series(6),
            Layer::Rest => Ink::Muted,
        }
    }

    /// Its time, in milliseconds; nothing if it was not resolved, which leaves it in the rest.
    pub(super) fn ms(self, row: &ProfileRow<'_>) -> f64 {
        let profile = row.profile;
        let ns = match self {
            Layer::Block(kind) => {
                let blocks = profile.blocks.iter().filter(|block| block.kind == kind);
                blocks.filter_map(|block| block.elapsed_ns).fold(0, u64::saturating_add) as f64
            }
            Layer::Copies => {
                profile.copies.iter().map(|copy| copy.elapsed_ns).fold(0, u64::saturating_add) as f64
            }
            Layer::Rest => profile.rest_ns().unwrap_or(0).max(0) as f64,
        };
        row.ms(ns)
    }

    /// Those that any row has, from the bottom of the stack: what does not depend on the depth first.
    pub(super) fn all(rows: &[&ProfileRow<'_>]) -> Vec<Layer> {
        let order = [
            BlockKind::FeedForward,
            BlockKind::Experts,
            BlockKind::Mixer,
            BlockKind::Output,
            BlockKind::Other,
        ];
        let blocks = order.map(Layer::Block).into_iter();
        let all = blocks.chain([Layer::Rest, Layer::Copies, Layer::Block(BlockKind::Attention)]);
        all.filter(|layer| rows.iter().any(|row| layer.ms(row) > 0.0)).collect()
    }
}

/// The panels, a test and configuration each, and how to read them.
pub(super) fn panels(report: &Report) -> (Vec<Panel>, String) {
    let Some(profiles) = Profiles::of(report) else { return (Vec::new(), String::new()) };
    let mut panels = Vec::new();
    for is_kind in KINDS {
        let mut keys: Vec<(&str, Test)> = Vec::new();
        for row in profiles.rows.iter().filter(|row| is_kind(row.test.kind)) {
            let key = (row.name.as_str(), row.test.at_any_depth());
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        for (name, test) in keys {
            let is_of = |row: &&ProfileRow<'_>| row.name == name && row.test.at_any_depth() == test;
            let mut rows: Vec<&ProfileRow<'_>> = profiles.rows.iter().filter(is_of).collect();
            rows.sort_by_key(|row| row.test.n_depth);
            panels.extend(panel(name, test, &rows));
        }
    }
    let caption = "Milliseconds of each block of the model, measured apart from the samples and without the cost of tracing; \
                   figures on the right: shares at the deepest context."
        .to_owned();
    (panels, caption)
}

/// Every layer of any panel.
pub(super) fn legend(report: &Report) -> Vec<LegendEntry> {
    let profiles = Profiles::of(report);
    let rows: Vec<&ProfileRow<'_>> = profiles.iter().flat_map(|profiles| &profiles.rows).collect();
    // From the top, as they lie.
    let entry =
        |layer: Layer| LegendEntry { name: layer.name().into(), ink: layer.ink(), shape: Shape::Square };
    Layer::all(&rows).into_iter().rev().map(entry).collect()
}

fn panel(name: &str, test: Test, rows: &[&ProfileRow<'_>]) -> Option<Panel> {
    let layers = Layer::all(rows);
    let depths: Vec<u32> = rows.iter().map(|row| row.test.n_depth).collect();
    let x = Axis::depths(&depths)?;
    let stack = |row: &&ProfileRow<'_>| -> Vec<f64> {
        let mut top = 0.0;
        layers
            .iter()
            .map(|layer| {
                top += layer.ms(row);
                top
            })
            .collect()
    };
    let stacks: Vec<Vec<f64>> = rows.iter().map(stack).collect();
    let most = stacks.iter().filter_map(|stack| stack.last()).copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let extent = Extent { fastest: most, lowest: most, highest: most };
    let y = SpeedScale::of(&[extent]).axis(most);
    let places: Vec<f64> = depths.iter().copied().map(f64::from).collect();
    let mut marks = Vec::new();
    for (n, layer) in layers.iter().enumerate() {
        let upper = line(&places, stacks.iter().map(|stack| stack[n]));
        let lower = line(&places, stacks.iter().map(|stack| if n > 0 { stack[n - 1] } else { 0.0 }));
        let outline = upper.iter().copied().chain(lower.into_iter().rev()).collect();
        marks.push(Mark::Area { outline, ink: layer.ink(), opacity: 0.5 });
        marks.push(Mark::Line { points: upper, ink: layer.ink(), width: 1.5, opacity: 1.0 });
    }
    marks.extend(shares(&layers, stacks.last()?, *places.last()?, &y));
    for (&at, stack) in places.iter().zip(&stacks) {
        let top = stack.last().copied().unwrap_or(0.0);
        let anchor = if places.len() > 1 && at == places[0] { Anchor::Start } else { Anchor::Middle };
        let text = figure(top);
        marks.push(Mark::Label { at: (at, top), by: (0.0, -8.0), anchor, text, ink: Ink::Text });
    }
    let what = activity(test.kind);
    let of = if test.kind.is_generation() { "ms per token" } else { "ms" };
    Some(Panel {
        heading: if name.is_empty() {
            format!("{what}, {test}")
        } else {
            format!("{what}, {test}, {}", clean(name))
        },
        note: of.to_owned(),
        description: describe(test, name, rows, &layers),
        x,
        x_name: "tokens in the context",
        y,
        right: RIGHT,
        marks,
    })
}

/// Over a single depth it is flat.
fn line(places: &[f64], heights: impl Iterator<Item = f64>) -> Vec<Point> {
    let points: Vec<Point> = places.iter().copied().zip(heights).collect();
    match points[..] {
        [(at, height)] => vec![(at - 0.6, height), (at + 0.6, height)],
        _ => points,
    }
}

/// The share of each layer at the deepest depth, beside it.
fn shares(layers: &[Layer], stack: &[f64], deepest: f64, y: &Axis) -> Vec<Mark> {
    let total = stack.last().copied().unwrap_or(0.0);
    let height = Panel::inner_size(RIGHT).1;
    let mut below = 0.0;
    let mut marks = Vec::new();
    for (layer, &top) in layers.iter().zip(stack) {
        let (middle, is_tall) =
            (f64::midpoint(below, top), (top - below) / (y.high() - y.low()) * height >= LABELLED);
        if is_tall {
            let text = format!("{:.0} %", 100.0 * (top - below) / total);
            let at = (deepest, middle);
            marks.push(Mark::Label { at, by: (12.0, 0.0), anchor: Anchor::Start, text, ink: layer.ink() });
        }
        below = top;
    }
    marks
}

/// The figures in a sentence for each depth.
fn describe(test: Test, name: &str, rows: &[&ProfileRow<'_>], layers: &[Layer]) -> String {
    let of = if name.is_empty() { test.to_string() } else { format!("{test} ({})", clean(name)) };
    let at = |row: &&ProfileRow<'_>| {
        let parts = layers.iter().rev().map(|layer| format!("{} {} ms", layer.name(), figure(layer.ms(row))));
        format!("{of} at depth {}: {}.", row.test.n_depth, parts.collect::<Vec<_>>().join(", "))
    };
    rows.iter().map(at).collect::<Vec<_>>().join(" ")
}
