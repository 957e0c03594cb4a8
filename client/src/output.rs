//! What the client says: answers on standard output, remarks on standard error. A reader that has gone ends the program
//! quietly, as it does every program in a pipe.

use std::io::{self, Write as _};

use serde::Serialize;

/// Writes an answer and a line end to standard output.
///
/// # Errors
/// When standard output is closed.
pub fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    out.flush()
}

/// Writes an answer as indented JSON to standard output.
///
/// # Errors
/// When it has no form in JSON, or standard output is closed.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    answer(&serde_json::to_string_pretty(value)?)
}

/// Writes an answer as one line of JSON to standard output.
///
/// # Errors
/// When it has no form in JSON, or standard output is closed.
pub fn json_line(value: &impl Serialize) -> io::Result<()> {
    answer(&serde_json::to_string(value)?)
}

/// Says something to whoever runs the program.
pub fn say(text: &str) {
    // Without standard error there is nobody to tell.
    let _nobody_listens = writeln!(io::stderr().lock(), "client: {text}");
}
