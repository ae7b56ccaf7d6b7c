use std::{
    ffi::{CString, c_char},
    ptr,
};

use super::{LlamaError, Model, checks::c_string, context::last_exception, device::text, sys, vocab};

/// One message of a conversation.
#[doc(alias = "llama_chat_message")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl ChatMessage {
    /// A message of a role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// How a model reads a conversation: a template that llama.cpp's C API knows. It recognises the common ones by what
/// they contain and does not run Jinja.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate(CString);

impl ChatTemplate {
    /// A template by its text, as models carry it, or by a name from [`names`](Self::names), such as `chatml`.
    ///
    /// # Errors
    /// llama.cpp does not know the template, or it contains a NUL character.
    pub fn new(template: impl Into<String>) -> Result<Self, LlamaError> {
        let template = template.into();
        let shown = if template.lines().nth(1).is_some() || template.len() > 60 {
            format!("of {} bytes", template.len())
        } else {
            format!("{template:?}")
        };
        let template = Self(c_string("chat template", template)?);
        if template.write(&[], true)?.is_some() {
            return Ok(template);
        }
        Err(LlamaError::Parameter {
            name: "chat template",
            value: shown,
            remedy: format!(
                "llama.cpp recognises the common templates by their text and does not run Jinja; give such a text, \
                 or one of the names {}",
                Self::names().join(", ")
            ),
        })
    }

    /// The template in the model's file.
    ///
    /// # Errors
    /// The file has none, or one that llama.cpp does not know.
    pub fn of(model: &Model) -> Result<Self, LlamaError> {
        let template = model
            .chat_template(None)
            .ok_or_else(|| not_written("the model has no chat template: write the prompt yourself"))?;
        let template = Self(c_string("chat template", template)?);
        match template.write(&[], true)? {
            Some(_) => Ok(template),
            None => Err(not_written(UNKNOWN)),
        }
    }

    /// Names of the templates that llama.cpp has built in.
    #[doc(alias = "llama_chat_builtin_templates")]
    pub fn names() -> Vec<String> {
        let mut names: Vec<*const c_char> = Vec::new();
        loop {
            // SAFETY: room for as many pointers as named; they lead to the names in a static table, NUL-terminated.
            let n = unsafe { sys::llama_chat_builtin_templates(names.as_mut_ptr(), names.len()) };
            let n = n.max(0) as usize;
            if n <= names.len() {
                // SAFETY: the call before wrote the first `n`.
                return names[..n].iter().map(|&name| unsafe { text(name) }).collect();
            }
            names.resize(n, ptr::null());
        }
    }

    /// Its text, or its name.
    pub fn text(&self) -> &str {
        // It was made of a String.
        self.0.to_str().unwrap_or_default()
    }

    /// Writes a conversation as the model was trained to read it; with `add_assistant`, it ends where the answer
    /// begins.
    ///
    /// # Errors
    /// A message contains a NUL character, or the text is longer than 2 GiB.
    #[doc(alias = "llama_chat_apply_template")]
    pub fn apply(&self, messages: &[ChatMessage], add_assistant: bool) -> Result<String, LlamaError> {
        self.write(messages, add_assistant)?.ok_or_else(|| not_written(UNKNOWN))
    }

    /// `None` if llama.cpp does not know the template.
    fn write(&self, messages: &[ChatMessage], add_assistant: bool) -> Result<Option<String>, LlamaError> {
        let strings = messages
            .iter()
            .map(|m| Ok((c_string("role", m.role.as_str())?, c_string("content", m.content.as_str())?)))
            .collect::<Result<Vec<_>, LlamaError>>()?;
        let raw: Vec<_> = strings
            .iter()
            .map(|(role, content)| sys::llama_chat_message { role: role.as_ptr(), content: content.as_ptr() })
            .collect();
        let guess = messages.iter().map(|m| m.content.len().saturating_mul(2).saturating_add(64));
        let mut n_bytes = guess.fold(256usize, usize::saturating_add);
        loop {
            let capacity = i32::try_from(n_bytes).map_err(|_| not_written("it is longer than 2 GiB"))?;
            let mut bytes: Vec<u8> = vocab::zeros(n_bytes).map_err(|why| not_written(&why))?;
            // SAFETY: NUL-terminated strings that outlive the call, and room for `capacity` bytes.
            let n = unsafe {
                sys::llama_sys_chat_apply_template(
                    self.0.as_ptr(),
                    raw.as_ptr(),
                    raw.len(),
                    add_assistant,
                    bytes.as_mut_ptr().cast(),
                    capacity,
                )
            };
            if let Some(exception) = last_exception() {
                return Err(not_written(&exception));
            }
            let Ok(n) = usize::try_from(n) else { return Ok(None) };
            if n <= bytes.len() {
                bytes.truncate(n);
                return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
            }
            n_bytes = n;
        }
    }
}

const UNKNOWN: &str =
    "llama.cpp does not know this template: write the prompt yourself, or name another template";

fn not_written(why: &str) -> LlamaError {
    LlamaError::Text { what: "the conversation cannot be written", why: why.into() }
}

impl Model {
    /// The chat template in the model's file: its own, or the one of this name.
    #[doc(alias = "llama_model_chat_template")]
    pub fn chat_template(&self, name: Option<&str>) -> Option<String> {
        let name = name.map(CString::new).transpose().ok()?;
        // SAFETY: a live model, and a NUL-terminated name or null; the result lives as long as the model.
        let template = unsafe {
            let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
            let template = sys::llama_model_chat_template(self.as_raw(), name);
            (!template.is_null()).then(|| text(template))
        };
        template.filter(|template| !template.is_empty())
    }

    /// Writes a conversation by the model's own [`ChatTemplate`].
    ///
    /// # Errors
    /// As [`ChatTemplate::of`] and [`ChatTemplate::apply`].
    #[doc(alias = "llama_chat_apply_template")]
    pub fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_assistant: bool,
    ) -> Result<String, LlamaError> {
        ChatTemplate::of(self)?.apply(messages, add_assistant)
    }
}
