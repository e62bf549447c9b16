//! A service of lines of text, with the two kinds of calls that the health service lacks: streams of
//! requests. Written by hand, with a codec of its own.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Buf, BufMut};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use http::uri::PathAndQuery;
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    client::{self, GrpcService},
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{self, NamedService},
};
use tower::{Service, service_fn};

/// Text as it is.
#[derive(Clone, Copy)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, line: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(line.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let line = String::from_utf8(bytes.to_vec());
        line.map(Some).map_err(|_| Status::data_loss("no text"))
    }
}

/// Answers lines with lines: `collect` with one, when the last has come, `chat` with each at once. A
/// line that is a number is a failure with that code.
#[derive(Clone, Default)]
pub(crate) struct TextServer {
    read: Arc<AtomicU64>,
}

impl NamedService for TextServer {
    const NAME: &'static str = "test.Text";
}

type Lines = BoxStream<'static, Result<String, Status>>;

impl TextServer {
    /// How many lines have come.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::SeqCst)
    }

    fn answer(&self, line: String) -> Result<String, Status> {
        self.read.fetch_add(1, Ordering::SeqCst);
        match line.parse() {
            Ok(code) => Err(Status::new(Code::from_i32(code), "as told")),
            Err(_) => Ok(line),
        }
    }

    async fn collect(self, mut lines: Streaming<String>) -> Result<Response<String>, Status> {
        let mut all = String::new();
        while let Some(line) = lines.message().await? {
            all += &self.answer(line)?;
        }
        Ok(Response::new(all))
    }

    async fn chat(self, lines: Streaming<String>) -> Result<Response<Lines>, Status> {
        let answers = lines.map(move |line| self.answer(line?));
        Ok(Response::new(answers.boxed()))
    }
}

impl Service<http::Request<Body>> for TextServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        let collect = move |lines: Request<_>| this.clone().collect(lines.into_inner());
        let this = self.clone();
        let chat = move |lines: Request<_>| this.clone().chat(lines.into_inner());
        async move {
            let mut grpc = server::Grpc::new(Text);
            Ok(match request.uri().path() {
                "/test.Text/Collect" => grpc.client_streaming(service_fn(collect), request).await,
                _ => grpc.streaming(service_fn(chat), request).await,
            })
        }
        .boxed()
    }
}

/// Its client.
pub(crate) struct TextClient<S>(client::Grpc<S>);

pub(crate) type Requests = Pin<Box<dyn futures_util::Stream<Item = String> + Send>>;

impl<S> TextClient<S>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(service: S) -> Self {
        Self(client::Grpc::new(service))
    }

    pub(crate) async fn collect(&mut self, lines: Requests) -> Result<String, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Text/Collect");
        let answer = self.0.client_streaming(Request::new(lines), path, Text);
        answer.await.map(Response::into_inner)
    }

    pub(crate) async fn chat(&mut self, lines: Requests) -> Result<Streaming<String>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Text/Chat");
        let answers = self.0.streaming(Request::new(lines), path, Text);
        answers.await.map(Response::into_inner)
    }

    async fn ready(&mut self) -> Result<(), Status> {
        let ready = self.0.ready().await;
        ready.map_err(|error| Status::from_error(error.into()))
    }
}
