//! What is asked for after the `?`.
//!
//! Names of circuits are in the query and not in the path: a browser folds `..` in a path, and a name may have `/` in
//! it.

use std::borrow::Cow;

use http::Uri;

/// The value of a key: of several, the first. As a form would write it: `+` is a space, and what follows `%` is a byte.
/// `Err` if it is no text.
pub(super) fn value_of(uri: &Uri, key: &str) -> Result<Option<String>, NotText> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    for (name, value) in pairs {
        if decoded(name)? == key {
            return decoded(value).map(|value| Some(value.into_owned()));
        }
    }
    Ok(None)
}

/// What is asked for is no text in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NotText;

fn decoded(text: &str) -> Result<Cow<'_, str>, NotText> {
    if !text.contains(['%', '+']) {
        return Ok(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => 16 * hex(rest.next())? + hex(rest.next())?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).map(Cow::from).map_err(|_| NotText)
}

fn hex(digit: Option<u8>) -> Result<u8, NotText> {
    let value = digit.and_then(|digit| char::from(digit).to_digit(16));
    value
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_a_form_writes_it() {
        let name =
            |query: &str| value_of(&format!("/circuit?{query}").parse().expect("a URI"), "name");
        for (query, read) in [
            ("name=db1", Ok(Some("db1"))),
            ("x=1&name=a%2Fb%3d%26+c", Ok(Some("a/b=& c"))),
            ("name=%e2%80%a8", Ok(Some("\u{2028}"))),
            ("n%61me=1&name=2", Ok(Some("1"))),
            ("name", Ok(Some(""))),
            ("", Ok(None)),
            ("names=1", Ok(None)),
            ("name=%", Err(NotText)),
            ("name=%4", Err(NotText)),
            ("name=%+4", Err(NotText)),
            ("name=%ff", Err(NotText)),
        ] {
            assert_eq!(name(query), read.map(|it| it.map(str::to_owned)), "{query}");
        }
    }
}
