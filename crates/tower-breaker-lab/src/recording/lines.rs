//! Lines of a stream, none longer than a bound: a file without line breaks does not fill the memory.

use std::io::{self, BufRead};

use super::error::RecordingError;

pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    most: usize,
}

/// What comes next.
pub(super) enum Next<'a> {
    /// Without its line break.
    Line {
        number: u64,
        text: &'a [u8],
        /// Whether there was no line break after it.
        is_last: bool,
    },
    /// Its number, and nothing of it.
    TooLong(u64),
    Over,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, most: usize) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            most,
        }
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>, RecordingError> {
        self.line.clear();
        let (mut length, mut is_last) = (0_usize, true);
        loop {
            let read = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            length = length.saturating_add(part.len());
            // One more than may be: a carriage return is not of the line.
            if length <= self.most.saturating_add(1) {
                self.line.extend_from_slice(part);
            }
            let (is_over, used) = (read.is_empty(), part.len() + usize::from(end.is_some()));
            self.input.consume(used);
            is_last &= end.is_none();
            if is_over || end.is_some() {
                break;
            }
        }
        if is_last && length == 0 {
            return Ok(Next::Over);
        }
        self.number += 1;
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let cut = length > self.most.saturating_add(1);
        if cut || text.len() > self.most {
            return Ok(Next::TooLong(self.number));
        }
        let text = match self.number {
            1 => text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
            _ => text,
        };
        Ok(Next::Line {
            number: self.number,
            text,
            is_last,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// With buffers of every size.
    fn lines(input: &str, most: usize) -> Vec<String> {
        let read = |buffer| {
            let mut lines = Lines::new(BufReader::with_capacity(buffer, input.as_bytes()), most);
            let mut found = Vec::new();
            loop {
                found.push(match lines.next().expect("memory") {
                    Next::Line {
                        number,
                        text,
                        is_last,
                    } => format!("{number} {} {is_last}", text.escape_ascii()),
                    Next::TooLong(number) => format!("{number} too long"),
                    Next::Over => return found,
                });
            }
        };
        let found = read(1);
        assert!((2..9).all(|buffer| read(buffer) == found));
        found
    }

    #[test]
    fn lines_end_with_a_break_or_the_input() {
        assert_eq!(lines("", 9), [""; 0]);
        assert_eq!(lines("a\n", 9), ["1 a false"]);
        assert_eq!(lines("a\r\n\nb", 9), ["1 a false", "2  false", "3 b true"]);
        assert_eq!(lines("\u{feff}a\n", 9), ["1 a false"]);
    }

    #[test]
    fn nothing_is_kept_of_what_is_too_long() {
        let input = vec![b'x'; 1_000_000];
        let mut lines = Lines::new(BufReader::with_capacity(64, &input[..]), 100);
        assert!(matches!(lines.next(), Ok(Next::TooLong(1))));
        assert!(lines.line.capacity() < 1_000, "{}", lines.line.capacity());
    }

    #[test]
    fn a_line_has_as_many_bytes_as_it_may() {
        assert_eq!(lines("abc\r\nabc\n", 3), ["1 abc false", "2 abc false"]);
        let found = lines("abcd\nabc\nabcdefghi\nab\nabcd", 3);
        let expected = [
            "1 too long",
            "2 abc false",
            "3 too long",
            "4 ab false",
            "5 too long",
        ];
        assert_eq!(found, expected);
    }
}
