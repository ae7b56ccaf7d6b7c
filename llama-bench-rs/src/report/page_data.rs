//! The report as JSON within a page: read here, and written by [`html`](super::html) into the same elements.

/// The element that holds the rows.
pub(super) const ID: &str = "llama-bench-rs";

/// The element that holds the file of each run, if they were read from several: rows do not name their file.
pub(super) const FILES: &str = "llama-bench-rs-files";

/// What ends an element.
pub(super) const CLOSING: &str = "</script>";

/// What begins an element: browsers do not run a script of this type.
pub(super) fn opening(id: &str) -> String {
    format!("<script type=\"application/json\" id=\"{id}\">")
}

/// The JSON of an element, after as many empty lines as the page has before it: line numbers are then those of the page.
/// `None` if the page has no such element.
pub(crate) fn embedded_json(page: &str, id: &str) -> Option<String> {
    let (before, rest) = page.split_once(&opening(id))?;
    let (json, _) = rest.split_once(CLOSING)?;
    Some("\n".repeat(before.matches('\n').count()) + json)
}
