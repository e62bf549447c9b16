//! A body, read to its end.

use std::{future::poll_fn, pin::pin};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::Body;
use tower_service::Service;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CollectError {
    /// It is longer than it may be.
    TooLong,
    /// Whoever sends it has broken off.
    Broken,
}

/// At most so many bytes. Trailers are dropped.
pub(super) async fn collect<B: Body>(body: B, limit: u64) -> Result<Bytes, CollectError> {
    let mut body = pin!(body);
    let mut whole = Collected::Nothing;
    let mut length = 0_u64;
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|_| CollectError::Broken)?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        let more = u64::try_from(data.remaining()).unwrap_or(u64::MAX);
        length = length.saturating_add(more);
        if length > limit {
            return Err(CollectError::TooLong);
        }
        whole = whole.and(&mut data);
    }
    Ok(whole.into_bytes())
}

/// Most bodies are of one piece, which is not copied then.
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn and(self, data: &mut impl Buf) -> Self {
        let (first, mut many) = match self {
            Self::Nothing => return Self::One(data.copy_to_bytes(data.remaining())),
            Self::One(first) => (first, BytesMut::new()),
            Self::Many(many) => (Bytes::new(), many),
        };
        many.put(first);
        many.put(data);
        Self::Many(many)
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

/// How long it is, if that is known before it is read.
pub(super) fn known_length<B: Body>(body: &B) -> Option<u64> {
    body.size_hint().exact()
}

/// Waits until a service is ready.
pub(super) async fn ready<S, Req>(service: &mut S) -> Result<(), S::Error>
where
    S: Service<Req>,
{
    poll_fn(|context| service.poll_ready(context)).await
}
