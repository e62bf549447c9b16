//! An outbox for `tower-breaker` that is durable: a file of [redb](https://docs.rs/redb)'s.

mod file;
mod record;

pub use self::{
    file::{File, FileError},
    record::Record,
};
