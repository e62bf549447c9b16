//! Where output goes.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::Failure;
use crate::report::words;

/// To the standard output. Whoever does not read on, such as `head`, has read enough.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// To where errors go. If nobody hears it, there is nobody to tell. It may quote what anybody has written.
pub(super) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{}", words::visible_lines(text));
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::of_file(path, &error))
}
