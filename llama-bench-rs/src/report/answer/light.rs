use std::{collections::BTreeSet, fmt};

use crate::{
    judge,
    record::{Cell, Light, Run},
    report::in_words::{one_line, percent},
    units::Share,
};

/// Why a share is an upper bound.
pub(in crate::report) const BUSY: &str = "other programs were busy while the ceilings were measured; measure them again with --renew-ceilings on an \
                    idle machine";

/// A range that spans more than this factor is shown in place of the share.
const WIDE: f64 = 2.0;

/// The share of the speed of light that a test reaches, with its range: the one place that writes it for people.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LightFigure {
    /// The share, 1 for all of it; of several runs their mean.
    pub share: f64,
    /// The lowest end of the range of any run; 0 if the share is an upper bound.
    pub lower: f64,
    /// The highest end of the range of any run.
    pub upper: f64,
    /// Operations whose arithmetic is not counted, by ggml's names: with any, the share is a lower bound.
    pub uncounted: Vec<String>,
}

impl From<&Light> for LightFigure {
    fn from(light: &Light) -> Self {
        let (lower, upper) = (light.share_bounds.lower(), light.share_bounds.upper());
        Self { share: light.share, lower, upper, uncounted: light.uncounted.clone() }
    }
}

impl LightFigure {
    /// Of the cells of one test, at most one a run; `None` if one of them has no figure.
    pub(in crate::report) fn of(cells: &[(&Run, &Cell)]) -> Option<Self> {
        let figure = |(run, cell): &(&Run, &Cell)| run.header.light_of(cell)?.ok();
        let all: Vec<Light> = cells.iter().map(figure).collect::<Option<_>>()?;
        Self::mean_of(&all)
    }

    /// Of the same test in several runs; `None` of none.
    pub fn mean_of(all: &[Light]) -> Option<Self> {
        let all: Vec<Self> = all.iter().map(Self::from).collect();
        let names = all.iter().flat_map(|one| one.uncounted.iter().cloned());
        Some(Self {
            share: all.iter().map(|one| one.share).sum::<f64>() / all.len() as f64,
            lower: all.iter().map(|one| one.lower).reduce(f64::min)?,
            upper: all.iter().map(|one| one.upper).reduce(f64::max)?,
            uncounted: names.collect::<BTreeSet<_>>().into_iter().collect(),
        })
    }

    /// Whether the machine may do more than its ceilings say.
    pub(in crate::report) fn is_upper_bound(&self) -> bool {
        self.lower <= 0.0
    }

    /// Whether it says anything: an upper bound above 1, or one of a part of the work, does not.
    pub(in crate::report) fn is_known(&self) -> bool {
        !self.is_upper_bound() || (self.uncounted.is_empty() && self.upper <= 1.0)
    }

    /// What a table that has the share says below it: that it cannot be true, that it is a bound, or what it leaves out.
    pub fn remarks(&self) -> Vec<String> {
        let impossible = judge::is_above_light(self.lower).then(|| {
            "above 100 %: the count of the work or a ceiling of the machine is wrong; measure again with \
             --renew-ceilings on an idle machine"
                .to_owned()
        });
        let busy = self.is_upper_bound().then(|| BUSY.to_owned());
        impossible.into_iter().chain(busy).chain(not_counted(&self.uncounted)).collect()
    }
}

/// What a column of shares means, and what one of them leaves out; `None` without shares.
pub(in crate::report) fn caption<'a>(all: impl IntoIterator<Item = &'a LightFigure>) -> Option<String> {
    let all: Vec<&LightFigure> = all.into_iter().collect();
    if all.is_empty() {
        return None;
    }
    let busy = all.iter().any(|one| one.is_upper_bound()).then(|| format!("; at most: {BUSY}"));
    let names = all.iter().flat_map(|one| one.uncounted.iter().map(|name| &name[..]));
    let names: BTreeSet<&str> = names.collect();
    let names: Vec<&str> = names.into_iter().collect();
    let text = "Of light: the share of the shortest time that the measured ceilings of the devices allow";
    let left_out = not_counted(&names).map(|left_out| format!("; at least: {left_out}"));
    Some(format!("{text}{}{}.", busy.unwrap_or_default(), left_out.unwrap_or_default()))
}

/// `the arithmetic of RWKV_WKV7 is not counted`; `None` if all is.
pub(in crate::report) fn not_counted<T: AsRef<str>>(names: &[T]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| one_line(name.as_ref())).collect();
    let (last, before) = names.split_last()?;
    let all = if before.is_empty() { last.clone() } else { format!("{} and {last}", before.join(", ")) };
    Some(format!("the arithmetic of {all} is not counted"))
}

impl fmt::Display for LightFigure {
    /// `25.2 %`; the range, `8.0 % to 387 %`, if it is wide; `at least 25.2 %` if not all of the work is counted; `at most
    /// 38.7 %` if the machine may do more than its ceilings say; `unknown` if both is so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |share: f64| Share::new(share).map_or_else(|| "–".into(), percent);
        if !self.is_known() {
            return f.write_str("unknown");
        }
        if self.is_upper_bound() {
            return write!(f, "at most {}", text(self.upper));
        }
        let is_wide = self.upper > self.lower * WIDE;
        let (least, most) =
            if is_wide { (text(self.lower), text(self.upper)) } else { (text(self.share), text(self.share)) };
        // The upper end of a lower bound says nothing. What is absurd is written as a lower bound already.
        let is_bound = least.starts_with("over ");
        match (is_bound, self.uncounted.is_empty()) {
            (false, false) => write!(f, "at least {least}"),
            (false, true) if least != most => write!(f, "{least} to {most}"),
            _ => f.write_str(&least),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::Binds, stats::Bounds};

    fn figure(share: f64, lower: f64, upper: f64, uncounted: &[&str]) -> LightFigure {
        let uncounted = uncounted.iter().map(|name| (*name).to_owned()).collect();
        LightFigure { share, lower, upper, uncounted }
    }

    #[test]
    fn a_wide_range_stands_in_place_of_its_share() {
        let text = |share, lower, upper| figure(share, lower, upper, &[]).to_string();
        assert_eq!(text(0.252, 0.2, 0.4), "25.2 %", "a factor of two");
        assert_eq!(text(0.152, 0.08, 3.87), "8.0 % to 387 %");
        assert_eq!(text(0.021, 0.004, 15.94), "0.40 % to over 999 %");
        assert_eq!(text(40.0, 20.0, 80.0), "over 999 %");
        assert_eq!(text(60.0, 20.0, 80.0), "over 999 %");
    }

    #[test]
    fn a_share_without_some_arithmetic_is_a_lower_bound() {
        let text = |share, lower, upper| figure(share, lower, upper, &["RWKV_WKV7"]).to_string();
        assert_eq!(text(0.101, 0.09, 0.12), "at least 10.1 %");
        assert_eq!(text(0.152, 0.08, 3.87), "at least 8.0 %");
        assert_eq!(text(60.0, 50.0, 80.0), "over 999 %");
    }

    #[test]
    fn a_share_of_disturbed_ceilings_is_an_upper_bound() {
        let most = figure(0.3, 0.0, 0.387, &[]);
        assert_eq!(most.to_string(), "at most 38.7 %");
        assert_eq!(figure(0.9, 0.0, 1.2, &[]).to_string(), "unknown", "more than all is no bound");
        assert_eq!(figure(0.3, 0.0, 0.387, &["A"]).to_string(), "unknown");
        let [busy] = &most.remarks()[..] else { panic!() };
        assert!(busy.starts_with("other programs were busy"), "{busy}");
        let text = caption([&most, &figure(0.5, 0.5, 0.5, &["A"])]).unwrap();
        let (busy, left_out) = text.split_once("; at most: other programs").unwrap();
        assert!(busy.ends_with(" allow") && left_out.contains("; at least: the arithmetic of A"), "{text}");
    }

    #[test]
    fn remarks_say_what_cannot_be_true_and_what_is_left_out() {
        assert!(figure(0.2, 0.1, 1.2, &[]).remarks().is_empty());
        let [above, without] = &figure(2.0, 1.1, 3.0, &["A", "B", "C\n"]).remarks()[..] else { panic!() };
        assert!(above.starts_with("above 100 %") && above.contains("--renew-ceilings"), "{above}");
        assert_eq!(without, "the arithmetic of A, B and C is not counted");
    }

    #[test]
    fn a_caption_names_what_any_share_leaves_out() {
        assert_eq!(caption([]), None);
        let whole = figure(0.5, 0.5, 0.5, &[]);
        let text = caption([&whole]).unwrap();
        assert!(text.starts_with("Of light: ") && text.ends_with(" allow."), "{text}");
        let text = caption([&whole, &figure(0.5, 0.5, 0.5, &["B", "A"])]).unwrap();
        assert!(text.ends_with(" allow; at least: the arithmetic of A and B is not counted."), "{text}");
    }

    #[test]
    fn runs_are_averaged_with_the_widest_range_and_all_names() {
        let light = |share: f64, name: &str| Light {
            floor: std::time::Duration::from_secs(1),
            time: std::time::Duration::from_secs(2),
            share,
            share_bounds: Bounds::between(share * 0.9, share * 1.1),
            binds: Binds::Memory,
            device: "CPU".into(),
            parts: Vec::new(),
            uncounted: vec![name.into()],
        };
        let mean = LightFigure::mean_of(&[light(0.4, "B"), light(0.5, "A"), light(0.6, "B")]).unwrap();
        assert!((mean.share - 0.5).abs() < 1e-12, "{mean:?}");
        assert_eq!((mean.lower, mean.upper), (0.4 * 0.9, 0.6 * 1.1));
        assert_eq!(mean.uncounted, ["A", "B"]);
        assert_eq!(LightFigure::mean_of(&[]), None);
    }
}
