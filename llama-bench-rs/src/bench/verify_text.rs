//! A verification as a table and a verdict.

use std::fmt;

use super::Verification;
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
        if !f.alternate() {
            write!(
                f,
                "\nLast position: of the last token that a rewind leaves in the context. Off by: the largest difference of a \
                 logit from a fresh fill, as a part of the range of the logits; 0 is equal to the bit. Among rewinds: the \
                 same between two rewinds. Rounding of a whole restore: the same if the whole state is saved and restored, \
                 as llama-bench does; a rewind may be off by up to four times as much."
            )?;
        }
        writeln!(f, "\nOrder: {}.", self.order)?;
        f.write_str(if self.is_exact() {
            "Every rewind is exact to the bit."
        } else if self.is_within_noise() {
            "Every rewind is right within what rounding does to this model."
        } else {
            "A rewind is off by more than rounding does to this model."
        })
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
        };
        let depths = vec![depth(0, Rewind::Clear), depth(200, Rewind::PartialOnHost)];
        let found = Verification { depths, order: Order::Blocks };
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
    }
}
