//! Grammars in llama.cpp's notation, checked before it follows them.

use super::{
    LlamaError, Model, checks,
    context::last_exception,
    sampler_step::{Kind, Stack, Step},
    samplers::needed,
    stack, sys,
    vocab::Vocab,
};

/// Longer ones are mistakes; the memory that rules take is many times as much.
const MAX_BYTES: usize = 1 << 20;

/// Stack that a bracket of a grammar takes while it is read, a rule while it is looked at, and a character of a token
/// while it is compared: each calls the next.
const STACK_PER_CALL: usize = 2048;

/// The same in a build whose C++ is checked by a sanitizer.
const CHECKED_STACK_PER_CALL: usize = 16 << 10;

/// Only tokens that the grammar allows.
pub(super) fn step(model: Option<&Model>, grammar: &str, root: &str) -> Result<Step, LlamaError> {
    let vocab = needed("grammar", model)?.vocab()?;
    let refuse = |why: String| LlamaError::Text { what: "the grammar cannot be used", why };
    if grammar.len() > MAX_BYTES {
        return Err(refuse(format!("it has {} bytes: write it in up to {MAX_BYTES}", grammar.len())));
    }
    let each = if sys::build_info::CMAKE_OPTIONS.contains("-fsanitize") {
        CHECKED_STACK_PER_CALL
    } else {
        STACK_PER_CALL
    };
    // It may name tokens, whose text is turned into them.
    let n_brackets = grammar.bytes().filter(|&byte| byte == b'(').count();
    let to_read = vocab.stack_to_tokenize(grammar) + n_brackets * each;
    let (c_grammar, c_root) = (checks::c_string("grammar", grammar)?, checks::c_string("root", root)?);
    let no_stack =
        |error| refuse(format!("llama.cpp may need more stack than there is ({error}): shorten it"));
    let depth = stack::with(to_read, || {
        let mut depth = 0;
        // SAFETY: the vocabulary of a live model, NUL-terminated strings, and a place for the result.
        let is_good = unsafe {
            sys::llama_sys_grammar_check(vocab.as_raw(), c_grammar.as_ptr(), c_root.as_ptr(), &mut depth)
        };
        if is_good { Ok(depth as usize) } else { Err(refuse(last_exception().unwrap_or_default())) }
    });
    let depth = depth.map_err(no_stack)??;
    let stack = Stack { to_apply: longest_piece(&vocab) * each, to_reset: to_read + depth * each };
    let make = || {
        // SAFETY: the vocabulary of a live model, which the sampler keeps alive, and NUL-terminated strings; the grammar
        // was found to be one that llama.cpp can follow, on a stack that is long enough.
        unsafe {
            let (grammar, root) = (c_grammar.as_ptr(), c_root.as_ptr());
            let raw = sys::llama_sys_sampler_init_grammar(vocab.as_raw(), grammar, root);
            Step::new(raw, "grammar", Kind::Grammar, stack)
        }
    };
    stack::with(stack.to_reset, make).map_err(no_stack)?
}

/// Bytes of the longest token.
fn longest_piece(vocab: &Vocab) -> usize {
    let pieces = (0..vocab.n_tokens() as i32).filter_map(|token| vocab.piece(token, true).ok());
    pieces.map(|piece| piece.len()).max().unwrap_or(0)
}
