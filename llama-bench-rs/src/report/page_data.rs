//! The report as JSON within a page: read here, and written by [`html`](super::html) into the same element.

/// The element that holds it.
pub(super) const ID: &str = "llama-bench-rs";

/// What ends the element.
pub(super) const CLOSING: &str = "</script>";

/// What begins the element: browsers do not run a script of this type.
pub(super) fn opening() -> String {
    format!("<script type=\"application/json\" id=\"{ID}\">")
}

/// The JSON of a page, after as many empty lines as the page has before it, so that a line number in it is one in the
/// page; `None` if no report is in this page.
pub(super) fn embedded_json(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(&opening())?;
    let (json, _) = rest.split_once(CLOSING)?;
    Some("\n".repeat(before.matches('\n').count()) + json)
}
