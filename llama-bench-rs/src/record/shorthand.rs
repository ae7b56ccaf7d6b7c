//! Tests as a program writes them: `pp(512)`, `tg(32).at(4096)`.

use super::{Group, Test, TestKind};

/// Prompt processing of `n_prompt` tokens in an empty context; [`Test::at`] for another depth.
///
/// ```
/// use llama_bench_rs::record::{pp, tg};
///
/// assert_eq!(pp(512).to_string(), "pp512");
/// assert_eq!(tg(32).at(4096).to_string(), "tg32 @ d4096");
/// ```
pub fn pp(n_prompt: u32) -> Test {
    TestKind::Pp(n_prompt).into()
}

/// Generation of `n_gen` tokens in an empty context; [`Test::at`] for another depth.
pub fn tg(n_gen: u32) -> Test {
    TestKind::Tg(n_gen).into()
}

/// Embedding of a text of `n_tokens` tokens in an empty context; [`Test::at`] for another depth.
pub fn embd(n_tokens: u32) -> Test {
    TestKind::Embd(n_tokens).into()
}

/// A prompt of `n_prompt` tokens directly followed by a generation of `n_gen`: choose the half that is meant.
///
/// ```
/// use llama_bench_rs::record::pg;
///
/// assert_eq!(pg(64, 16).prompt().to_string(), "pp64 (pg64+16)");
/// assert_eq!(pg(64, 16).generation().at(256).to_string(), "tg16 @ d320 (pg64+16)");
/// ```
pub fn pg(n_prompt: u32, n_gen: u32) -> Group {
    Group { n_prompt, n_gen }
}

impl Group {
    /// The prompt half.
    pub fn prompt(self) -> Test {
        Test { kind: TestKind::Pp(self.n_prompt), n_depth: 0, group: Some(self), n_parallel: 1 }
    }

    /// The generation half, which begins after the prompt.
    pub fn generation(self) -> Test {
        Test { kind: TestKind::Tg(self.n_gen), n_depth: self.n_prompt, group: Some(self), n_parallel: 1 }
    }
}

impl Test {
    /// The same test at a depth of the sweep, in tokens. The generation of a pg test begins after the prompt, so deeper
    /// by that.
    #[must_use]
    pub fn at(self, n_depth: u32) -> Self {
        let n_before = match (self.kind, self.group) {
            (TestKind::Tg(_), Some(group)) => group.n_prompt,
            _ => 0,
        };
        Self { n_depth: n_depth + n_before, ..self }
    }

    /// The same test with `n_parallel` sequences at once.
    ///
    /// ```
    /// use llama_bench_rs::record::tg;
    ///
    /// let test = tg(32).parallel(8).at(4096);
    /// assert_eq!(test.to_string(), "tg32 x8 @ d4096");
    /// assert_eq!(test.n_tokens(), 256);
    /// ```
    #[must_use]
    pub fn parallel(self, n_parallel: u32) -> Self {
        Self { n_parallel, ..self }
    }
}

impl From<TestKind> for Test {
    /// The test in an empty context.
    fn from(kind: TestKind) -> Self {
        Self { kind, n_depth: 0, group: None, n_parallel: 1 }
    }
}
