//! Pages of this process's memory, by kind.

use std::fs;

use crate::record::Placement;

/// Reads them now; `None` if the system does not report them.
pub(super) fn read() -> Option<Placement> {
    let placement = parse(&fs::read_to_string("/proc/self/smaps_rollup").ok()?);
    (placement != Placement::default()).then_some(placement)
}

/// Reads the text of `/proc/self/smaps_rollup`.
fn parse(text: &str) -> Placement {
    let bytes = |name: &str| -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
    };
    let anonymous = bytes("Anonymous");
    Placement {
        anonymous,
        anon_huge_pages: bytes("AnonHugePages"),
        file_mapped: bytes("Rss").zip(anonymous).and_then(|(all, anonymous)| all.checked_sub(anonymous)),
        file_pmd_mapped: bytes("FilePmdMapped"),
        locked: bytes("Locked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roll_up_is_read_in_bytes() {
        let text = "5607c4522000-7ffec49ab000 ---p 00000000 00:00 0 [rollup]\nRss:                1780 kB\n\
            Pss_Anon:            116 kB\nAnonymous:           780 kB\nAnonHugePages:         4 kB\n\
            FilePmdMapped:         8 kB\n";
        let expected = Placement {
            anonymous: Some(780 << 10),
            anon_huge_pages: Some(4 << 10),
            file_mapped: Some(1000 << 10),
            file_pmd_mapped: Some(8 << 10),
            locked: None,
        };
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn a_damaged_roll_up_tells_nothing() {
        for text in
            ["", "Rss:\nAnonymous: kB", "Rss: 5 kB\nAnonymous: 7 kB x", "Anonymous: 99999999999999999999 kB"]
        {
            assert_eq!(parse(text), Placement::default(), "{text:?}");
        }
    }
}
