use serde::{Deserialize, Serialize};

/// Where the memory of the measuring process lay once its model was loaded and its context made, in bytes, as Linux
/// tells it (`/proc/self/smaps_rollup`). A figure that the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Memory of no file: buffers, and weights that were read rather than mapped.
    pub anonymous: Option<u64>,
    /// Of it, in huge pages.
    pub anon_huge_pages: Option<u64>,
    /// Mapped files, of which a mapped model is the largest.
    pub file_mapped: Option<u64>,
    /// Of it, mapped in huge pages.
    pub file_pmd_mapped: Option<u64>,
    /// Locked in memory.
    pub locked: Option<u64>,
}

impl Placement {
    /// Reads the text of `/proc/self/smaps_rollup`.
    pub(crate) fn from_smaps(text: &str) -> Self {
        let bytes = |name: &str| -> Option<u64> {
            let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            rest.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
        };
        let anonymous = bytes("Anonymous");
        Self {
            anonymous,
            anon_huge_pages: bytes("AnonHugePages"),
            file_mapped: bytes("Rss").zip(anonymous).and_then(|(all, anonymous)| all.checked_sub(anonymous)),
            file_pmd_mapped: bytes("FilePmdMapped"),
            locked: bytes("Locked"),
        }
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
        assert_eq!(Placement::from_smaps(text), expected);
    }

    #[test]
    fn a_damaged_roll_up_tells_nothing() {
        for text in
            ["", "Rss:\nAnonymous: kB", "Rss: 5 kB\nAnonymous: 7 kB x", "Anonymous: 99999999999999999999 kB"]
        {
            assert_eq!(Placement::from_smaps(text), Placement::default(), "{text:?}");
        }
    }
}
