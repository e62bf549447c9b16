//! Lists in headers, read strictly: what is not to the letter is not understood (RFC 9110, section 5.6).

use http::{HeaderMap, HeaderName};

/// Lists that are longer are not read.
const MAX_BYTES: usize = 8 * 1024;

/// One element of a list: a token, and what it may be said to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    pub(super) argument: Option<Argument<'a>>,
}

/// What comes after the `=`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    Token(&'a str),
    /// With its backslashes, and without the quotes around it.
    Quoted(&'a str),
}

impl<'a> Argument<'a> {
    pub(super) fn text(&self) -> &'a str {
        match self {
            Self::Token(text) | Self::Quoted(text) => text,
        }
    }
}

/// Gives every element of every line to `each`. `None` if a line is not understood, or `each` does not understand.
pub(super) fn read_list(
    headers: &HeaderMap,
    name: &HeaderName,
    mut each: impl FnMut(Element<'_>) -> Option<()>,
) -> Option<()> {
    let mut left = MAX_BYTES;
    for line in headers.get_all(name) {
        left = left.checked_sub(line.len())?;
        // Only visible ASCII, spaces and tabs.
        let mut rest = line.to_str().ok()?;
        while let Some(element) = next_element(&mut rest)? {
            each(element)?;
        }
    }
    Some(())
}

/// Takes the next element, and the comma after it. The outer `None` is for what is not understood.
#[expect(clippy::option_option, reason = "the end is not an error")]
fn next_element<'a>(rest: &mut &'a str) -> Option<Option<Element<'a>>> {
    // Empty elements are allowed.
    *rest = rest.trim_start_matches([' ', '\t', ',']);
    if rest.is_empty() {
        return Some(None);
    }
    let name = take_token(rest)?;
    let argument = match rest.strip_prefix('=') {
        Some(after) => {
            *rest = after;
            Some(take_argument(rest)?)
        }
        None => None,
    };
    *rest = rest.trim_start_matches([' ', '\t']);
    let ends = rest.is_empty() || rest.starts_with(',');
    ends.then_some(Some(Element { name, argument }))
}

fn take_argument<'a>(rest: &mut &'a str) -> Option<Argument<'a>> {
    match rest.strip_prefix('"') {
        Some(after) => {
            *rest = after;
            take_quoted(rest).map(Argument::Quoted)
        }
        None => take_token(rest).map(Argument::Token),
    }
}

/// Up to the quote that no backslash stands before, which is taken, too.
fn take_quoted<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let mut escaped = false;
    let end = rest.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let (quoted, after) = rest.split_at(end);
    *rest = &after[1..];
    Some(quoted)
}

fn take_token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest.bytes().position(|byte| !is_token(byte));
    let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after;
    (!token.is_empty()).then_some(token)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CACHE_CONTROL};

    use super::*;

    fn read(lines: &[&[u8]]) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                CACHE_CONTROL,
                HeaderValue::from_bytes(line).expect("a value"),
            );
        }
        let mut elements = Vec::new();
        read_list(&headers, &CACHE_CONTROL, |Element { name, argument }| {
            let argument = argument.map_or(String::new(), |it| format!("={}", it.text()));
            elements.push(format!("{name}{argument}"));
            Some(())
        })?;
        Some(elements)
    }

    // M3
    #[test]
    fn a_list_is_read_as_it_is_written() {
        let read = |line: &str| read(&[line.as_bytes()]).expect("a list");
        assert_eq!(read("no-store"), ["no-store"]);
        assert_eq!(read(" a ,\t,, b=1\t,c=\"2\" ,"), ["a", "b=1", "c=2"]);
        assert_eq!(read(r#"x="a, public, b", y"#), ["x=a, public, b", "y"]);
        assert_eq!(read(r#"x="\", public, \\""#), [r#"x=\", public, \\"#]);
        assert_eq!(read(""), [""; 0]);
    }

    // M3
    #[test]
    fn what_is_not_to_the_letter_is_not_understood() {
        for line in [
            "a b",
            "a =1",
            "a= 1",
            "a=",
            "=1",
            "a=\"b",
            "a=\"b\\\"",
            "a=b\"c\"",
            "a;b",
            "(a)",
            "a=b=c",
            "\"a\"",
        ] {
            assert_eq!(read(&[line.as_bytes()]), None, "{line}");
        }
        assert_eq!(read(&[b"no-store\x80"]), None);
        assert_eq!(read(&[b"fine", b"x=\"\xff\""]), None);
        let long = "a,".repeat(MAX_BYTES / 2);
        assert!(read(&[long.as_bytes()]).is_some());
        assert_eq!(read(&[long.as_bytes(), b"a"]), None);
    }
}
