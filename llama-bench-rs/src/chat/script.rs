//! The conversation as tokens: openings, which the template writes, and answers as they were generated.

use crate::llama::{ChatMessage, ChatTemplate, LlamaError, TextStream, Token, Vocab};

/// A prompt and its answer.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) prompt: String,
    /// Text of the answer so far.
    pub(super) answer: String,
    /// The model ended the answer.
    pub(super) has_ended: bool,
    tokens: Vec<Token>,
    opening: Option<Opening>,
    stream: TextStream,
    /// A control token came after the last text.
    is_separated: bool,
}

/// All between the answer before, or the beginning, and the answer of a turn.
#[derive(Debug)]
struct Opening {
    text: String,
    is_first: bool,
    tokens: Vec<Token>,
}

impl Turn {
    pub(super) fn new(prompt: &str) -> Self {
        Self {
            prompt: prompt.into(),
            answer: String::new(),
            has_ended: false,
            tokens: Vec::new(),
            opening: None,
            stream: TextStream::new(),
            is_separated: false,
        }
    }

    /// Adds a token to the answer, and returns the text that it completes.
    pub(super) fn add(&mut self, vocab: &Vocab, token: Token) -> Result<String, LlamaError> {
        self.tokens.push(token);
        if vocab.is_control(token) {
            self.is_separated = true;
            return Ok(String::new());
        }
        let mut text = self.stream.push(&vocab.piece(token, false)?);
        if self.is_separated && !text.is_empty() {
            self.is_separated = false;
            if !self.answer.is_empty() && !self.answer.ends_with('\n') {
                text.insert(0, '\n');
            }
        }
        self.answer.push_str(&text);
        Ok(text)
    }

    /// Ends the answer's text, and returns the replacement for an incomplete character.
    pub(super) fn end_text(&mut self) -> &'static str {
        let rest = self.stream.finish();
        self.answer.push_str(rest);
        rest
    }
}

/// How turns are written.
#[derive(Debug)]
pub(super) struct Script {
    vocab: Vocab,
    /// The token that begins a text.
    bos: Option<Token>,
    template: Option<ChatTemplate>,
    pub(super) system: Option<String>,
}

impl Script {
    pub(super) fn new(vocab: Vocab, bos: Option<Token>, template: Option<ChatTemplate>) -> Self {
        Self { vocab, bos, template, system: None }
    }

    pub(super) fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// The tokens of all turns. Openings that read as before keep theirs.
    pub(super) fn tokens(&self, turns: &mut [Turn]) -> Result<Vec<Token>, LlamaError> {
        let texts = self.openings(turns)?;
        let mut tokens = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let is_first = i == 0;
            let is_known = turns[i]
                .opening
                .as_ref()
                .is_some_and(|known| known.is_first == is_first && self.reads_as(&known.text, text));
            if !is_known {
                let text = self.opening(&turns[..=i])?;
                let tokens = self.tokenize(&text, is_first)?;
                turns[i].opening = Some(Opening { text, is_first, tokens });
            }
            tokens.extend(turns[i].opening.iter().flat_map(|opening| &opening.tokens));
            tokens.extend_from_slice(&turns[i].tokens);
        }
        Ok(tokens)
    }

    /// Number of tokens if those turns are dropped that come before one of them.
    pub(super) fn n_tokens_from(&self, turns: &[Turn], first: usize) -> Result<usize, LlamaError> {
        let turns = &turns[first..];
        let n_opening = match turns.first() {
            None => return Ok(0),
            Some(Turn { opening: Some(known), .. }) if known.is_first => known.tokens.len(),
            Some(_) => self.tokenize(&self.opening(&turns[..1])?, true)?.len(),
        };
        let others = turns.iter().skip(1).filter_map(|turn| turn.opening.as_ref());
        let answers = turns.iter().map(|turn| turn.tokens.len());
        Ok(n_opening + others.map(|opening| opening.tokens.len()).sum::<usize>() + answers.sum::<usize>())
    }

    /// Models that begin a text with a token do so once. The token with which some end a text would end the prompt.
    fn tokenize(&self, text: &str, is_first: bool) -> Result<Vec<Token>, LlamaError> {
        let mut tokens = self.vocab.tokenize(text, false, true)?;
        if let Some(bos) = self.bos.filter(|bos| is_first && tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// The text of the last turn's opening, as its answer is generated from it.
    fn opening(&self, turns: &[Turn]) -> Result<String, LlamaError> {
        Ok(self.openings(turns)?.pop().unwrap_or_default())
    }

    /// Templates may begin an answer in the history otherwise than one to be generated, as gpt-oss's does; what was
    /// generated stays after what it was generated from.
    fn reads_as(&self, known: &str, text: &str) -> bool {
        let is_by_template = self.template.is_some();
        known == text || (is_by_template && (known.starts_with(text) || text.starts_with(known)))
    }

    /// The text of each turn's opening. A character stands in for each answer: a template that trims messages must not
    /// change the answers in the context.
    fn openings(&self, turns: &[Turn]) -> Result<Vec<String>, LlamaError> {
        let system = self.system.as_deref();
        let Some(template) = &self.template else {
            let mut texts: Vec<String> = turns.iter().map(|turn| turn.prompt.clone()).collect();
            if let (Some(first), Some(system)) = (texts.first_mut(), system) {
                first.insert_str(0, system);
            }
            return Ok(texts);
        };
        if turns.is_empty() {
            return Ok(Vec::new());
        }
        let stand_in = stand_in(turns.iter().map(|turn| turn.prompt.as_str()).chain(system)).to_string();
        let mut messages: Vec<ChatMessage> =
            system.iter().map(|system| ChatMessage::new("system", *system)).collect();
        for (i, turn) in turns.iter().enumerate() {
            if i > 0 {
                messages.push(ChatMessage::new("assistant", &stand_in));
            }
            messages.push(ChatMessage::new("user", &turn.prompt));
        }
        let text = template.apply(&messages, true)?;
        let openings: Vec<String> = text.split(&stand_in).map(str::to_owned).collect();
        if openings.len() == turns.len() {
            return Ok(openings);
        }
        Err(LlamaError::Text {
            what: "the conversation cannot be written",
            why: format!(
                "the template writes {} of {} earlier answers: name another template",
                openings.len() - 1,
                turns.len() - 1
            ),
        })
    }
}

/// A character for private use that no text contains.
fn stand_in<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> char {
    let is_free = |c: &char| texts.clone().all(|text| !text.contains(*c));
    ('\u{F0000}'..='\u{FFFFD}').find(is_free).unwrap_or('\u{10FFFD}')
}
