use std::{ffi::CString, ptr};

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

    /// Writes a conversation as the model was trained to read it, by its own template; with `add_assistant`, it ends
    /// where the answer begins.
    ///
    /// # Errors
    /// The model has no template, or one that llama.cpp's C API does not know (it recognises the common ones and does
    /// not run Jinja), or a message contains a NUL character.
    #[doc(alias = "llama_chat_apply_template")]
    pub fn apply_chat_template(
        &self,
        messages: &[ChatMessage],
        add_assistant: bool,
    ) -> Result<String, LlamaError> {
        let failed =
            |why: &str| LlamaError::Text { what: "the conversation cannot be written", why: why.into() };
        let template = self
            .chat_template(None)
            .ok_or_else(|| failed("the model has no chat template: write the prompt yourself"))?;
        let template = c_string("chat template", template)?;
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
            let capacity = i32::try_from(n_bytes).map_err(|_| failed("it is longer than 2 GiB"))?;
            let mut bytes: Vec<u8> = vocab::zeros(n_bytes).map_err(|why| failed(&why))?;
            // SAFETY: NUL-terminated strings that outlive the call, and room for `capacity` bytes.
            let n = unsafe {
                sys::llama_sys_chat_apply_template(
                    template.as_ptr(),
                    raw.as_ptr(),
                    raw.len(),
                    add_assistant,
                    bytes.as_mut_ptr().cast(),
                    capacity,
                )
            };
            if let Some(exception) = last_exception() {
                return Err(failed(&exception));
            }
            let Ok(n) = usize::try_from(n) else {
                return Err(failed("llama.cpp does not know this template: write the prompt yourself"));
            };
            if n <= bytes.len() {
                bytes.truncate(n);
                return Ok(String::from_utf8_lossy(&bytes).into_owned());
            }
            n_bytes = n;
        }
    }
}
