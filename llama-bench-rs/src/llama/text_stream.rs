//! Text from the bytes of tokens as they come.

/// Turns the bytes of tokens into text as they come: a character may be spread over several tokens.
///
/// All that comes out, put together, is what [`String::from_utf8_lossy`] makes of all the bytes.
///
/// ```
/// use llama_bench_rs::llama::TextStream;
///
/// let mut stream = TextStream::new();
/// assert_eq!(stream.push(b"caf\xC3"), "caf");
/// assert_eq!(stream.push(b"\xA9"), "\u{e9}");
/// assert_eq!(stream.push(b"\xE2\x82"), "");
/// assert_eq!(stream.finish(), "\u{FFFD}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextStream {
    /// The beginning of a character: at most three bytes.
    pending: Vec<u8>,
}

impl TextStream {
    /// A stream in which nothing has come yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and returns the characters that they complete; bytes that are not valid UTF-8 become
    /// U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut n_read = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            n_read += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() || (n_read + invalid.len() == self.pending.len() && is_beginning(invalid)) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            n_read += invalid.len();
        }
        self.pending.drain(..n_read);
        text
    }

    /// Ends the text: U+FFFD if the last character is not complete, else nothing.
    pub fn finish(&mut self) -> &'static str {
        let is_complete = self.pending.is_empty();
        self.pending.clear();
        if is_complete { "" } else { "\u{FFFD}" }
    }
}

/// Whether bytes that may follow would make a character of these.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(pieces: &[Vec<u8>]) -> String {
        let mut stream = TextStream::new();
        let mut text: String = pieces.iter().map(|piece| stream.push(piece)).collect();
        text.push_str(stream.finish());
        text
    }

    /// Bytes that begin, continue and break characters, far more often than chance has them.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            Just(b'a'),
            0x80..=0xBFu8,
            Just(0xC3),
            Just(0xE2),
            Just(0xED),
            Just(0xF0),
            Just(0xF4),
            any::<u8>()
        ]
    }

    proptest! {
        #[test]
        fn pieces_are_the_text_of_all_bytes(pieces in prop::collection::vec(prop::collection::vec(byte(), 0..5), 0..12)) {
            prop_assert_eq!(stream(&pieces), String::from_utf8_lossy(&pieces.concat()).into_owned());
        }
    }

    #[test]
    fn a_character_comes_with_its_last_byte_and_not_before() {
        let mut stream = TextStream::new();
        let came: Vec<String> = "a\u{20AC}\u{1F600}".bytes().map(|byte| stream.push(&[byte])).collect();
        assert_eq!(came, ["a", "", "", "\u{20AC}", "", "", "", "\u{1F600}"]);
        assert_eq!(stream.finish(), "");
        // A byte that cannot go on the character before shows at once.
        assert_eq!(stream.push(b"\xE2\x82"), "");
        assert_eq!(stream.push(b"b"), "\u{FFFD}b");
        assert_eq!(stream.push(b"\xFF"), "\u{FFFD}");
        assert_eq!(stream.finish(), "");
    }
}
