//! Data as JSON within the page.

use maud::{Markup, PreEscaped, html};

use crate::report::page_data::{CLOSING, opening};

/// A data block: browsers do not run it.
pub(crate) fn script(id: &str, json: &str) -> Markup {
    // JSON has these characters in texts only, which may escape them; nothing can end the element early.
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    html! { (PreEscaped(opening(id))) "\n" (PreEscaped(json)) (PreEscaped(CLOSING)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page_data::embedded_json;

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let json = r#"["</script><script>alert(1)</script>&amp;"]"#;
        let page = format!("<p>\n</p>{}<script>", script("a", json).into_string());
        assert_eq!(page.matches("</script>").count(), 1);
        let found = embedded_json(&page, "a").unwrap();
        assert!(found.starts_with("\n\n["), "{found}");
        let (found, json) = (serde_json::from_str(&found), serde_json::from_str(json));
        assert_eq!(found.ok() as Option<serde_json::Value>, json.ok());
        assert_eq!(embedded_json(&page, "b"), None);
    }
}
