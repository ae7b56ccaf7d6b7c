//! A verification as a table and a verdict.

use std::fmt;

use super::{Verification, VerifiedDepth, VerifiedLevel};
use crate::units::Share;

impl fmt::Display for Verification {
    /// A Markdown table with a row for each depth, what its columns mean (not with `{:#}`), and the verdict.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| depth | brought back by | rewinds | last position | off by | among rewinds | rounding of a whole restore |"
        )?;
        writeln!(f, "| ---: | --- | ---: | ---: | ---: | ---: | ---: |")?;
        for depth in &self.depths {
            let last = depth.last_position.map_or_else(|| "none".into(), |last| last.to_string());
            writeln!(
                f,
                "| {} | {} | {} | {last} | {} | {} | {} |",
                depth.n_depth,
                depth.rewind,
                depth.n_rewinds,
                part(depth.difference),
                part(depth.repetition_difference),
                part(depth.noise),
            )?;
        }
        if self.has_levels() {
            self.fmt_levels(f)?;
        }
        if !f.alternate() {
            write!(
                f,
                "\nLast position: of the last token that a rewind leaves in the context. Off by: the largest difference of a \
                 logit from a fresh fill, as a part of the range of the logits; 0 is equal to the bit. Among rewinds: the \
                 same between two rewinds. Rounding of a whole restore: the same if the whole state is saved and restored, \
                 as llama-bench does; a rewind may be off by up to four times as much."
            )?;
            if self.has_levels() {
                f.write_str(
                    " Sequences: the first is filled, copied to the others, and compared with sequences that were filled \
                     one by one; each decodes tokens of its own. Worst: the sequence that is off by most, counted from 0. \
                     Rounding in another order: the same if their whole states are saved and restored in another order.",
                )?;
            }
        }
        writeln!(f, "\nOrder: {}.", self.order)?;
        let (every, one) = if self.has_levels() {
            ("rewind and every copy", "rewind or a copy")
        } else {
            ("rewind", "rewind")
        };
        if self.is_exact() {
            write!(f, "Every {every} is exact to the bit.")
        } else if self.is_within_noise() {
            write!(f, "Every {every} is right within what rounding does to this model.")
        } else if self.has_positions() {
            write!(f, "A {one} is off by more than rounding does to this model.")
        } else {
            write!(f, "A {one} left other tokens in the context than those of its depth.")
        }
    }
}

impl Verification {
    fn has_positions(&self) -> bool {
        let is_right = |depth: &VerifiedDepth| {
            depth.has_positions && depth.levels.iter().all(|level| level.has_positions)
        };
        self.depths.iter().all(is_right)
    }

    /// A second table, with a row for each depth and number of sequences.
    fn fmt_levels(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.shared_prefix {
            "The sequences share the tokens of the depth:"
        } else {
            "Each sequence has its own copy of the tokens of the depth:"
        };
        writeln!(f, "\n{whose}\n")?;
        writeln!(
            f,
            "| depth | sequences | copies | last position | off by | worst | among copies | rounding in another order |"
        )?;
        writeln!(f, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        let or_none = |n: Option<u32>| n.map_or_else(|| "none".into(), |n| n.to_string());
        for (depth, level) in
            self.depths.iter().flat_map(|depth| depth.levels.iter().map(move |it| (depth, it)))
        {
            let VerifiedLevel { n_parallel, n_copies, last_position, worst_sequence, .. } = *level;
            writeln!(
                f,
                "| {} | {n_parallel} | {n_copies} | {} | {} | {} | {} | {} |",
                depth.n_depth,
                or_none(last_position),
                part(level.difference),
                or_none(worst_sequence),
                part(level.repetition_difference),
                part(level.noise),
            )?;
        }
        Ok(())
    }
}

fn part(share: Share) -> String {
    if share == Share::default() { "0".into() } else { format!("{:.1e}", share.get()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bench::VerifiedDepth,
        record::{Order, Rewind},
    };

    #[test]
    fn it_is_told_in_words() {
        let depth = |n_depth, rewind| VerifiedDepth {
            n_depth,
            rewind,
            n_rewinds: 3,
            difference: Share::default(),
            live_difference: Share::default(),
            repetition_difference: Share::default(),
            noise: Share::default(),
            last_position: n_depth.checked_sub(1),
            has_positions: true,
            levels: Vec::new(),
        };
        let mut depths = vec![depth(0, Rewind::Clear), depth(200, Rewind::PartialOnHost)];
        let found = Verification { depths: depths.clone(), order: Order::Blocks, shared_prefix: false };
        let text = found.to_string();
        assert!(text.contains("| 200 | partial snapshot in host memory | 3 | 199 | 0 | 0 | 0 |"), "{text}");
        assert!(text.contains("Order: per depth.") && text.ends_with("exact to the bit."), "{text}");
        // Every column that is not plain is explained, once.
        let explained = ["Last position: ", "Off by: ", "Among rewinds: ", "Rounding of a whole restore: "];
        let again = format!("{found:#}");
        assert!(explained.iter().all(|word| text.contains(word) && !again.contains(word)), "{text}\n{again}");
        assert!(again.contains("Order: per depth.") && again.ends_with("exact to the bit."), "{again}");
        for word in ["PartialOnHost", "Clear ", "Blocks"] {
            assert!(!text.contains(word), "{word} is a name of Rust alone: {text}");
        }

        depths[1].levels.push(VerifiedLevel {
            n_parallel: 8,
            n_copies: 3,
            difference: Share::new(0.25).unwrap(),
            worst_sequence: Some(5),
            repetition_difference: Share::default(),
            noise: Share::new(0.125).unwrap(),
            last_position: Some(199),
            has_positions: true,
        });
        let mut found = Verification { depths, order: Order::Blocks, shared_prefix: true };
        let text = found.to_string();
        assert!(text.contains("| 200 | 8 | 3 | 199 | 2.5e-1 | 5 | 0 | 1.2e-1 |"), "{text}");
        assert!(text.contains("share the tokens of the depth") && text.contains("Worst: "), "{text}");
        assert!(
            text.ends_with("Every rewind and every copy is right within what rounding does to this model."),
            "{text}"
        );
        found.depths[1].levels[0].has_positions = false;
        assert!(
            found.to_string().ends_with("other tokens in the context than those of its depth."),
            "{found}"
        );
    }
}
