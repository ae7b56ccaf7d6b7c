//! The report as JSON within the page.

use maud::{Markup, PreEscaped, html};

/// The element that holds it.
pub(super) const ID: &str = "llama-bench-rs";

const CLOSING: &str = "</script>";

fn opening() -> String {
    format!("<script type=\"application/json\" id=\"{ID}\">")
}

/// A data block: browsers do not run it.
pub(super) fn script(json: &str) -> Markup {
    // JSON has these characters in texts only, where they may be written so; nothing can end the element early.
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    html! { (PreEscaped(opening())) "\n" (PreEscaped(json)) (PreEscaped(CLOSING)) }
}

/// The JSON that [`page`](super::page) put into a page, after as many empty lines as the page has before it, so that
/// a line number in it is one in the page; `None` if this is no such page.
pub fn embedded_json(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(&opening())?;
    let (json, _) = rest.split_once(CLOSING)?;
    Some("\n".repeat(before.matches('\n').count()) + json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let json = r#"["</script><script>alert(1)</script>&amp;"]"#;
        let page = format!("<p>\n</p>{}<script>", script(json).into_string());
        assert_eq!(page.matches("</script>").count(), 1);
        let found = embedded_json(&page).unwrap();
        assert!(found.starts_with("\n\n["), "{found}");
        let (found, json) = (serde_json::from_str(&found), serde_json::from_str(json));
        assert_eq!(found.ok() as Option<serde_json::Value>, json.ok());
        assert_eq!(embedded_json("<html></html>"), None);
    }
}
