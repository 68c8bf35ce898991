//! The reasons that operators give.

/// What stands for a reason in the commands that are suggested, and in their help.
const PLACEHOLDERS: [&str; 7] = [
    "...", "..", "\u{2026}", "<reason>", "<text>", "reason", "text",
];

/// A reason that somebody has written.
pub(super) fn reason(text: &str) -> Result<String, String> {
    if PLACEHOLDERS.contains(&text.trim().to_lowercase().as_str()) {
        return Err("write what was found: this is the placeholder of the command".to_owned());
    }
    Ok(text.to_owned())
}
