//! Another answer, where a dependency has none (rule M1).

pub(crate) mod answer;
mod counted;
mod error;
mod future;
mod keep;
mod layer;
mod service;
mod view;
mod when;

pub use self::{
    answer::{
        Answer, Fail, FailWith, FromFn, FromFnFuture, Respond, ServiceAnswer, ServiceAnswerFuture,
        TryFromFn, Value, fail, fail_with, from_fn, response, service, try_from_fn, value,
    },
    counted::CountedFor,
    error::FallbackError,
    future::FallbackFuture,
    keep::{By, Head, Keep, Nothing, Whole},
    layer::FallbackLayer,
    service::Fallback,
    view::{AnyResponse, BoxedErrors, Http, View},
    when::{Always, Narrow, OnFailure, OnRejection, When},
};
