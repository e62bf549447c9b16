//! Under tonic, over real sockets, as a client and as a server: what a call comes to, whichever way its
//! status travels, and what a rejection looks like (rules H3 to H5, A4, A7).

#![cfg(feature = "tonic")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/sockets.rs"]
mod sockets;

mod cancelling;
mod codes;
mod connections;
mod deadlines;
mod forgotten;
mod health;
mod keyed;
mod marked;
mod neighbours;
mod peer;
mod pushback;
mod rejections;
mod reserving;
mod server;
mod statuses;
mod streams;
mod text;
mod wire;
