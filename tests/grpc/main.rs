//! Under tonic, over real sockets, as a client and as a server: what a call comes to, whichever way its
//! status travels, and what a rejection looks like (rules H3 to H5, A4, A7).

#![cfg(feature = "tonic")]

mod support;

#[path = "support/sockets.rs"]
mod sockets;

#[path = "grpc/cancelling.rs"]
mod cancelling;
#[path = "grpc/codes.rs"]
mod codes;
#[path = "grpc/connections.rs"]
mod connections;
#[path = "grpc/deadlines.rs"]
mod deadlines;
#[path = "grpc/forgotten.rs"]
mod forgotten;
#[path = "grpc/health.rs"]
mod health;
#[path = "grpc/neighbours.rs"]
mod neighbours;
#[path = "grpc/peer.rs"]
mod peer;
#[path = "grpc/pushback.rs"]
mod pushback;
#[path = "grpc/rejections.rs"]
mod rejections;
#[path = "grpc/reserving.rs"]
mod reserving;
#[path = "grpc/server.rs"]
mod server;
#[path = "grpc/statuses.rs"]
mod statuses;
#[path = "grpc/streams.rs"]
mod streams;
#[path = "grpc/text.rs"]
mod text;
#[path = "grpc/wire.rs"]
mod wire;
