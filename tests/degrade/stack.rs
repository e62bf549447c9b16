//! One stack is its parts, put around each other by hand: rule M9.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure")]

mod costs;
mod rings;
mod scripts;
