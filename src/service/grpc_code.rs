//! The codes of gRPC, and what each means by default: for the classifier for gRPC, and for that for HTTP
//! where `.grpc()` was forgotten.

use http::{Extensions, HeaderMap, StatusCode};

use super::{classify::Head, retry_after::RetryAfter};
use crate::machine::Outcome;

/// How a gRPC call went: the codes of the protocol, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// 0: it went well.
    Ok = 0,
    /// 1: somebody cancelled it. As an answer, it means that a deadline has passed: see the
    /// [module](crate::grpc#what-counts-as-what).
    Cancelled = 1,
    /// 2: nobody knows. Any number that is no code is taken for this one, too.
    Unknown = 2,
    /// 3: the request makes no sense.
    InvalidArgument = 3,
    /// 4: the deadline passed.
    DeadlineExceeded = 4,
    /// 5: there is no such thing.
    NotFound = 5,
    /// 6: there is one already.
    AlreadyExists = 6,
    /// 7: the caller may not.
    PermissionDenied = 7,
    /// 8: a quota or a space is used up.
    ResourceExhausted = 8,
    /// 9: not in this state.
    FailedPrecondition = 9,
    /// 10: somebody else came between.
    Aborted = 10,
    /// 11: past the end.
    OutOfRange = 11,
    /// 12: there is no such method.
    Unimplemented = 12,
    /// 13: something is broken.
    Internal = 13,
    /// 14: the service is not there. A rejection has this code, too.
    Unavailable = 14,
    /// 15: data are lost.
    DataLoss = 15,
    /// 16: nobody knows who the caller is.
    Unauthenticated = 16,
}

impl Code {
    pub(crate) const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// What it says of the server, unless it is moved (rule H4).
    pub(crate) fn usual_outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Success,
            // Who cancels drops the call, and hears nothing any more. What is answered is a deadline that
            // the server has found to be over.
            Self::Cancelled
            | Self::Unknown
            | Self::DeadlineExceeded
            | Self::Internal
            | Self::Unavailable
            | Self::DataLoss => Outcome::Failure,
            // These speak of overload and of time, and are no proof that the server is well.
            Self::ResourceExhausted | Self::Aborted => Outcome::Ignored,
            _ => Outcome::Answered,
        }
    }

    /// The `grpc-status` among headers or trailers; of several, the first.
    pub(crate) fn find(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("grpc-status")?;
        Some(Self::of_bytes(value.as_bytes()))
    }

    /// A number without a sign, a space or a zero before it; anything else is no code, as it is none to
    /// tonic's client.
    fn of_bytes(value: &[u8]) -> Self {
        let number = match *value {
            [one @ b'0'..=b'9'] => one - b'0',
            [b'1', one @ b'0'..=b'9'] => 10 + (one - b'0'),
            _ => return Self::Unknown,
        };
        Self::from(i32::from(number))
    }

    /// The code that the protocol puts in place of a missing one, by the status of HTTP.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::Internal,
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::PermissionDenied,
            StatusCode::NOT_FOUND => Self::Unimplemented,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

/// What the code in the head of a response means by default, if there is one: for the classifier for HTTP.
pub(super) fn classify_code(head: &Head<'_>, retry_after: Option<RetryAfter>) -> Option<Outcome> {
    let code = Code::find(head.headers)?;
    if passes_on_rejection(head.extensions) {
        return Some(Outcome::InnerRejection);
    }
    let wait = || retry_after?.read_grpc(head.headers);
    Some(RetryAfter::add_to(code.usual_outcome(), wait))
}

/// Whether a handler of a tonic server failed with a rejection: the response has its status as it was.
#[cfg(feature = "tonic")]
pub(crate) fn passes_on_rejection(extensions: &Extensions) -> bool {
    let status = extensions.get::<tonic::Status>();
    status.is_some_and(|status| crate::circuit::error::Rejected::find(status).is_some())
}

#[cfg(not(feature = "tonic"))]
pub(crate) fn passes_on_rejection(_: &Extensions) -> bool {
    false
}

/// Any number that is no code is [`Code::Unknown`].
impl From<i32> for Code {
    fn from(number: i32) -> Self {
        let code = usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at));
        code.copied().unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    // H4
    #[test]
    fn every_code_has_its_number() {
        for (number, code) in (0..).zip(Code::ALL) {
            assert_eq!(code as i32, number);
            assert_eq!(Code::from(number), code);
        }
        assert_eq!(Code::from(17), Code::Unknown);
        assert_eq!(Code::from(-1), Code::Unknown);
    }

    // H4
    #[test]
    fn a_code_is_written_in_one_way_only() {
        for code in Code::ALL {
            let number = (code as i32).to_string();
            assert_eq!(Code::of_bytes(number.as_bytes()), code);
        }
        for number in [
            "00", "05", "17", "20", "100", "016", "", " 5", "+5", "-0", "5 ",
        ] {
            assert_eq!(Code::of_bytes(number.as_bytes()), Code::Unknown, "{number}");
        }
    }
}
