//! An entry, as it lies on disk.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tower_breaker::degrade::queue::Entry;

/// What is known of an entry. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub since: u64,
    /// When its turn is, or when its lease ends.
    pub turn: u64,
    pub attempts: u32,
    /// The number of its lease, or 0.
    pub lease: u64,
    pub entry: Entry,
}

/// What lies on disk is no record.
#[derive(Debug)]
pub struct Garbled;

impl fmt::Display for Garbled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry on disk cannot be read")
    }
}

impl std::error::Error for Garbled {}

impl Record {
    /// Numbers first, so that they can be read without the rest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.since, self.turn, self.lease, self.attempts.into()] {
            bytes.extend(number.to_le_bytes());
        }
        let entry = &self.entry;
        let mut part = |part: &[u8]| {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        };
        part(entry.order_key().as_bytes());
        part(entry.method().as_str().as_bytes());
        part(entry.uri().to_string().as_bytes());
        part(entry.body());
        for (name, value) in entry.headers() {
            part(name.as_str().as_bytes());
            part(value.as_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut parts = Parts(bytes);
        let [since, turn, lease, attempts] = [
            parts.number()?,
            parts.number()?,
            parts.number()?,
            parts.number()?,
        ];
        let order_key: Arc<str> = parts.text()?.into();
        let method = Method::from_bytes(parts.part()?).map_err(|_| Garbled)?;
        let uri: Uri = parts.text()?.parse().map_err(|_| Garbled)?;
        let body = Bytes::copy_from_slice(parts.part()?);
        let mut headers = HeaderMap::new();
        while !parts.0.is_empty() {
            let name = HeaderName::from_bytes(parts.part()?).map_err(|_| Garbled)?;
            let value = HeaderValue::from_bytes(parts.part()?).map_err(|_| Garbled)?;
            headers.append(name, value);
        }
        Ok(Self {
            since,
            turn,
            attempts: attempts.try_into().map_err(|_| Garbled)?,
            lease,
            entry: Entry::new(method, uri, headers, body, order_key),
        })
    }
}

struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Garbled)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, Garbled> {
        let bytes = self.bytes(8)?.try_into().map_err(|_| Garbled)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn part(&mut self) -> Result<&'a [u8], Garbled> {
        let length = self.number()?.try_into().map_err(|_| Garbled)?;
        self.bytes(length)
    }

    fn text(&mut self) -> Result<&'a str, Garbled> {
        std::str::from_utf8(self.part()?).map_err(|_| Garbled)
    }
}
