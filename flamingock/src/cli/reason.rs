//! The reasons of operators.

/// Placeholders for the reason in suggested commands and in their help.
const PLACEHOLDERS: [&str; 7] = [
    "...", "..", "\u{2026}", "<reason>", "<text>", "reason", "text",
];

/// Parses a reason, and refuses placeholders.
pub(super) fn reason(text: &str) -> Result<String, String> {
    if PLACEHOLDERS.contains(&text.trim().to_lowercase().as_str()) {
        return Err("write what was found: this is the placeholder of the command".to_owned());
    }
    Ok(text.to_owned())
}
