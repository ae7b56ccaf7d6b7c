use std::ffi::c_char;

use super::{LlamaError, Model, context::last_exception, stack, sys};

/// Token id, as in llama.cpp.
pub type Token = i32;

/// Stack that llama.cpp takes per character of a word while it splits text into words: for many vocabularies (gpt-oss's
/// is one) with `std::regex`, which calls itself for every character of a match. A word may be as long as the text. The
/// most that was seen is 320.
const STACK_PER_CHARACTER: usize = 1024;

/// The same in a build whose C++ is checked by a sanitizer.
const CHECKED_STACK_PER_CHARACTER: usize = 8 << 10;

/// Stack that everything else takes, the patterns of the split included: they are read by recursion too.
const STACK_OF_TOKENIZER: usize = 96 << 10;

/// The vocabulary of a model: text to tokens and back.
#[doc(alias = "llama_vocab")]
#[derive(Clone, Debug)]
pub struct Vocab(Model);

impl Model {
    /// The vocabulary.
    ///
    /// # Errors
    /// The model has none, as synthetic ones: it knows token numbers only.
    #[doc(alias = "llama_model_get_vocab")]
    pub fn vocab(&self) -> Result<Vocab, LlamaError> {
        let vocab = Vocab(self.clone());
        // SAFETY: the vocabulary of a live model.
        if unsafe { sys::llama_vocab_type(vocab.as_raw()) } == sys::LLAMA_VOCAB_TYPE_NONE {
            return Err(LlamaError::Text {
                what: "this model has no vocabulary",
                why: "its file says tokenizer.ggml.model = none; use a model with one (a synthetic model: \
                      Synthetic::vocabulary)"
                    .into(),
            });
        }
        Ok(vocab)
    }
}

impl Vocab {
    pub(super) fn as_raw(&self) -> *const sys::llama_vocab {
        // SAFETY: a live model.
        unsafe { sys::llama_model_get_vocab(self.0.as_raw()) }
    }

    /// Number of tokens.
    #[doc(alias = "llama_vocab_n_tokens")]
    pub fn n_tokens(&self) -> u32 {
        self.0.n_vocab()
    }

    fn token(&self, token: Token) -> Option<Token> {
        (0..self.n_tokens() as i32).contains(&token).then_some(token)
    }

    /// The token that begins a sequence, if there is one.
    #[doc(alias = "llama_vocab_bos")]
    pub fn bos(&self) -> Option<Token> {
        // SAFETY: the vocabulary of a live model.
        self.token(unsafe { sys::llama_vocab_bos(self.as_raw()) })
    }

    /// The token that ends a text, if there is one.
    #[doc(alias = "llama_vocab_eos")]
    pub fn eos(&self) -> Option<Token> {
        // SAFETY: the vocabulary of a live model.
        self.token(unsafe { sys::llama_vocab_eos(self.as_raw()) })
    }

    /// The token that ends a turn of a conversation, if there is one.
    #[doc(alias = "llama_vocab_eot")]
    pub fn eot(&self) -> Option<Token> {
        // SAFETY: the vocabulary of a live model.
        self.token(unsafe { sys::llama_vocab_eot(self.as_raw()) })
    }

    /// Whether generation ends with this token.
    #[doc(alias = "llama_vocab_is_eog")]
    pub fn is_eog(&self, token: Token) -> bool {
        // SAFETY: the vocabulary of a live model, and a token of it.
        self.token(token).is_some_and(|token| unsafe { sys::llama_vocab_is_eog(self.as_raw(), token) })
    }

    /// Whether this token steers the model and is not text, such as `<|im_start|>`.
    #[doc(alias = "llama_vocab_is_control")]
    pub fn is_control(&self, token: Token) -> bool {
        // SAFETY: the vocabulary of a live model, and a token of it.
        self.token(token).is_some_and(|token| unsafe { sys::llama_vocab_is_control(self.as_raw(), token) })
    }

    /// Turns text into tokens. `add_special` adds those that begin (and perhaps end) a text; with `parse_special`
    /// control tokens that the text names, such as `<|im_start|>`, become themselves.
    ///
    /// # Errors
    /// The text is longer than 2 GiB or than this machine can hold a stack for, or the tokenizer failed.
    #[doc(alias = "llama_tokenize")]
    pub fn tokenize(
        &self,
        content: &str,
        add_special: bool,
        parse_special: bool,
    ) -> Result<Vec<Token>, LlamaError> {
        let stack = self.stack_to_tokenize(content);
        let tokenize = || self.tokenize_here(content, add_special, parse_special);
        // An overrun stack ends the process.
        stack::with(stack, tokenize).unwrap_or_else(|error| {
            Err(not_tokenized(format!(
                "llama.cpp may need {stack} bytes of stack for {} characters, and there is no thread with as many \
                 ({error}): split the text",
                content.chars().count()
            )))
        })
    }

    /// The most bytes of stack that a text may take.
    pub(super) fn stack_to_tokenize(&self, content: &str) -> usize {
        // SAFETY: the vocabulary of a live model.
        if unsafe { sys::llama_vocab_type(self.as_raw()) } != sys::LLAMA_VOCAB_TYPE_BPE {
            return STACK_OF_TOKENIZER;
        }
        let is_checked = sys::build_info::CMAKE_OPTIONS.contains("-fsanitize");
        let each = if is_checked { CHECKED_STACK_PER_CHARACTER } else { STACK_PER_CHARACTER };
        content.chars().count().saturating_mul(each).saturating_add(STACK_OF_TOKENIZER)
    }

    fn tokenize_here(
        &self,
        content: &str,
        add_special: bool,
        parse_special: bool,
    ) -> Result<Vec<Token>, LlamaError> {
        let Ok(length) = i32::try_from(content.len()) else {
            return Err(not_tokenized(format!("it has {} bytes: split it below 2 GiB", content.len())));
        };
        let mut tokens: Vec<Token> = zeros(content.len() + 4).map_err(not_tokenized)?;
        loop {
            let capacity = i32::try_from(tokens.len()).unwrap_or(i32::MAX);
            // SAFETY: the vocabulary of a live model, a text with its length, and room for `capacity` tokens.
            let n = unsafe {
                sys::llama_sys_tokenize(
                    self.as_raw(),
                    content.as_ptr().cast(),
                    length,
                    tokens.as_mut_ptr(),
                    capacity,
                    add_special,
                    parse_special,
                )
            };
            match n {
                0.. => {
                    tokens.truncate(n as usize);
                    return Ok(tokens);
                }
                // The negative of what is needed.
                _ if n > i32::MIN
                    && n.unsigned_abs() as usize > tokens.len()
                    && last_exception().is_none() =>
                {
                    tokens = zeros(n.unsigned_abs() as usize).map_err(not_tokenized)?;
                }
                _ => {
                    return Err(not_tokenized(
                        last_exception().unwrap_or_else(|| "there are too many".into()),
                    ));
                }
            }
        }
    }

    /// The bytes of one token: perhaps a part of a character only. With `special`, control tokens have their names.
    ///
    /// # Errors
    /// The token is not in the vocabulary.
    #[doc(alias = "llama_token_to_piece")]
    pub fn piece(&self, token: Token, special: bool) -> Result<Vec<u8>, LlamaError> {
        if self.token(token).is_none() {
            return Err(LlamaError::Token { token, n_vocab: self.n_tokens() });
        }
        self.write("the token cannot be turned into text", 32, |buffer, capacity| {
            // SAFETY: the vocabulary of a live model, a token of it, and room for `capacity` bytes.
            unsafe { sys::llama_sys_token_to_piece(self.as_raw(), token, buffer, capacity, 0, special) }
        })
    }

    /// Turns tokens into text; bytes that are not valid UTF-8 become U+FFFD. With `special`, control tokens have their names.
    ///
    /// # Errors
    /// A token is not in the vocabulary, or there are too many.
    #[doc(alias = "llama_detokenize")]
    pub fn detokenize(&self, tokens: &[Token], special: bool) -> Result<String, LlamaError> {
        if let Some(&token) = tokens.iter().find(|&&token| self.token(token).is_none()) {
            return Err(LlamaError::Token { token, n_vocab: self.n_tokens() });
        }
        let what = "the tokens cannot be turned into text";
        let n_tokens = i32::try_from(tokens.len())
            .map_err(|_| LlamaError::Text { what, why: "there are too many: split them".into() })?;
        let bytes =
            self.write(what, tokens.len().saturating_mul(8).saturating_add(16), |buffer, capacity| {
                // SAFETY: the vocabulary of a live model, tokens of it with their number, and room for `capacity` bytes.
                unsafe {
                    let tokens = tokens.as_ptr();
                    sys::llama_sys_detokenize(
                        self.as_raw(),
                        tokens,
                        n_tokens,
                        buffer,
                        capacity,
                        false,
                        special,
                    )
                }
            })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Calls a function that fills a buffer, or returns the negative of the size that it needs.
    fn write(
        &self,
        what: &'static str,
        capacity: usize,
        mut fill: impl FnMut(*mut c_char, i32) -> i32,
    ) -> Result<Vec<u8>, LlamaError> {
        let failed = |why| LlamaError::Text { what, why };
        let mut bytes: Vec<u8> = zeros(capacity.min(i32::MAX as usize)).map_err(failed)?;
        loop {
            let n = fill(bytes.as_mut_ptr().cast(), i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            if let Some(exception) = last_exception() {
                return Err(LlamaError::Text { what, why: exception });
            }
            match n {
                0.. => {
                    bytes.truncate(n as usize);
                    return Ok(bytes);
                }
                _ if n.unsigned_abs() as usize > bytes.len() => {
                    bytes = zeros(n.unsigned_abs() as usize).map_err(failed)?;
                }
                _ => return Err(LlamaError::Text { what, why: format!("llama.cpp returned {n}") }),
            }
        }
    }
}

/// A buffer, if there is memory for it.
pub(super) fn zeros<T: Clone + Default>(n: usize) -> Result<Vec<T>, String> {
    let mut buffer = Vec::new();
    let reserved = buffer.try_reserve_exact(n);
    reserved
        .map_err(|_| format!("no memory for {} bytes: split the text", n.saturating_mul(size_of::<T>())))?;
    buffer.resize(n, T::default());
    Ok(buffer)
}

fn not_tokenized(why: String) -> LlamaError {
    LlamaError::Text { what: "the text cannot be turned into tokens", why }
}
