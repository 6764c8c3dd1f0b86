//! What a person sees meanwhile: lines, and on a terminal one line that is overwritten.

use std::io::{IsTerminal as _, Write as _};

/// A line that stays.
pub(crate) fn line(text: &str) {
    clear();
    println!("{text}");
}

/// A line that the next one overwrites; on terminals only.
pub(crate) fn now(text: &str) {
    if std::io::stdout().is_terminal() {
        print!("\r{text}\x1b[K");
        let _ = std::io::stdout().flush();
    }
}

fn clear() {
    if std::io::stdout().is_terminal() {
        print!("\r\x1b[K");
    }
}
