//! Through a real client, with a real server that counts what has reached it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_breaker::CircuitError;

use super::{Circuit, CircuitBreakerLayer, Duration, Method, Request, plenty};
use tower::{ServiceBuilder, ServiceExt};
use tower_breaker::degrade::retries::Retries;

/// A server that reads each request and then does as told: answers, or closes the connection.
struct Server {
    address: SocketAddr,
    methods: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Server {
    /// The last answer again and again; an empty one closes the connection before the head of a response.
    async fn new(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let methods = std::sync::Arc::default();
        let server = Self {
            address,
            methods: std::sync::Arc::clone(&methods),
        };
        tokio::spawn(async move {
            for at in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let method = read_request(&mut stream).await;
                methods.lock().unwrap().push(method);
                let answer = answers[at.min(answers.len() - 1)];
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        server
    }

    /// The methods of all requests that have reached it.
    fn asked(&self) -> Vec<String> {
        self.methods.lock().unwrap().clone()
    }
}

/// All of it, which is a head and `hello`, and gives its method.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"hello") {
        assert_ne!(
            stream.read_buf(&mut read).await.unwrap(),
            0,
            "all of the request"
        );
    }
    let text = String::from_utf8(read).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const BAD: &str = "HTTP/1.1 500 Bad\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const BROKEN: &str = "";

/// Makes one call, and says which status came of it, if any.
async fn ask(server: &Server, circuit: &Circuit, request: http::request::Builder) -> Option<u16> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let service = ServiceBuilder::new()
        .retry(Retries::new(circuit).backoff(Duration::ZERO, Duration::ZERO))
        .layer(CircuitBreakerLayer::new(circuit.clone()).reject_as_error())
        .service(client);
    let request: Request<Full<Bytes>> = request
        .uri(format!("http://{}/", server.address))
        .body(Full::from("hello"))
        .unwrap();
    match service.oneshot(request).await {
        Ok(response) => Some(response.status().as_u16()),
        Err(CircuitError::Inner(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

// M8
#[tokio::test]
async fn a_put_is_made_again_until_it_is_answered() {
    let server = Server::new(&[BROKEN, BAD, GOOD]).await;
    let circuit = super::circuit(plenty(5));
    assert_eq!(ask(&server, &circuit, Request::put("/")).await, Some(200));
    assert_eq!(server.asked(), ["PUT", "PUT", "PUT"]);
}

// M8
#[tokio::test]
async fn a_post_reaches_the_server_once_even_if_the_connection_breaks_before_the_head() {
    let circuit = super::circuit(plenty(5));
    let server = Server::new(&[BROKEN]).await;
    assert_eq!(ask(&server, &circuit, Request::post("/")).await, None);
    assert_eq!(server.asked(), [Method::POST.as_str()]);
    let server = Server::new(&[BAD]).await;
    assert_eq!(ask(&server, &circuit, Request::post("/")).await, Some(500));
    assert_eq!(server.asked(), ["POST"]);

    // With a key it may be made again.
    let server = Server::new(&[BROKEN, GOOD]).await;
    let request = Request::post("/").header("idempotency-key", "7");
    assert_eq!(ask(&server, &circuit, request).await, Some(200));
    assert_eq!(server.asked(), ["POST", "POST"]);
}

// M8
#[tokio::test]
async fn a_server_that_is_gone_is_asked_until_the_circuit_opens() {
    let server = Server::new(&[BROKEN]).await;
    let circuit = super::built(plenty(9), |builder| builder.consecutive_failures(4));
    assert_eq!(ask(&server, &circuit, Request::get("/")).await, None);
    assert_eq!(server.asked(), ["GET"; 4]);
    assert_eq!(super::counted(&circuit).not_closed, 1);
}
