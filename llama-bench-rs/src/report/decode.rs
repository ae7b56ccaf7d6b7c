//! Bytes of a file to text: editors and shells of Windows write a byte order mark, and UTF-16.

/// The text of a file without its byte order mark; `None` if it is not text.
pub(crate) fn text(bytes: Vec<u8>) -> Option<String> {
    let utf16 = |bytes: &[u8], of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok().filter(|_| bytes.len().is_multiple_of(2))
    };
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes).ok(),
    }
}

/// A line without the mark that a file which was joined to others left in it.
pub(crate) fn without_mark(line: &str) -> &str {
    line.trim_start_matches('\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;

    #[test]
    fn marks_and_utf_16_are_read() {
        let wide = |of: fn(u16) -> [u8; 2]| "\u{feff}a€".encode_utf16().flat_map(of).collect::<Vec<u8>>();
        assert_eq!(text(b"a".to_vec()).as_deref(), Some("a"));
        assert_eq!(text(b"\xef\xbb\xbfa".to_vec()).as_deref(), Some("a"));
        assert_eq!(text(wide(u16::to_le_bytes)).as_deref(), Some("a€"));
        assert_eq!(text(wide(u16::to_be_bytes)).as_deref(), Some("a€"));
        assert_eq!(text(b"\xff\xfea".to_vec()), None);
        assert_eq!(text(b"\x00\xff".to_vec()), None);
    }

    /// As an editor of Windows, PowerShell's `>` and `cat` leave a file.
    #[test]
    fn a_file_that_went_through_windows_is_the_same_report() {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/llama-bench.jsonl");
        let plain = std::fs::read_to_string(fixture).unwrap();
        let expected = report::read_str(&plain).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
        let wide: Vec<u8> = windows.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let joined = plain.lines().map(|line| format!("\u{feff}{line}\r\n")).collect::<String>();
        for (name, bytes) in [("mark", windows.into_bytes()), ("wide", wide), ("joined", joined.into_bytes())]
        {
            let path = folder.path().join(format!("{name}.jsonl"));
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(report::read_file(&path).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn a_journal_that_went_through_windows_is_gone_on_with() {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/llama-bench.jsonl");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let plain = std::fs::read_to_string(fixture).unwrap();
        std::fs::write(&path, format!("\u{feff}{}", plain.replace('\n', "\r\n"))).unwrap();
        let (journal, found) = report::Journal::resume(&path).unwrap();
        assert_eq!(found, report::read_str(&plain).unwrap().report);
        journal.finish().unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.starts_with('{') && !written.contains('\r'), "{written}");
    }
}
