//! Lists what is public of a package: an item a line, sorted, from the JSON of rustdoc.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: api FILE.json");
        return ExitCode::FAILURE;
    };
    match items(&file) {
        Ok(items) => items.iter().for_each(|item| println!("{item}")),
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn items(file: &str) -> Result<Vec<String>, public_api::Error> {
    let api = public_api::Builder::from_rustdoc_json(file)
        .omit_blanket_impls(true)
        .build()?;
    let all: Vec<_> = api.items().map(ToString::to_string).collect();
    Ok(telling(all))
}

/// Leaves out what a reader learns nothing from.
fn telling(items: Vec<String>) -> Vec<String> {
    let mut of_a_trait = None;
    let mut kept = Vec::new();
    for item in items {
        if item.starts_with("impl") {
            of_a_trait = implementing_type(&item).map(str::to_owned);
        }
        let repeated = of_a_trait
            .as_deref()
            .is_some_and(|name| is_function_of(&item, name));
        if !repeated && !usual(&item) {
            kept.push(item);
        }
    }
    kept
}

/// The type, without its parameters, of an `impl` of a trait.
fn implementing_type(item: &str) -> Option<&str> {
    let (_, name) = item.split_once(" for ")?;
    name.split(['<', ' ']).next()
}

/// Below the `impl` of a trait that is a repetition: what its functions look like is the trait's to say.
fn is_function_of(item: &str, name: &str) -> bool {
    item.starts_with("pub ")
        && item.split_once("fn ").is_some_and(|(_, path)| {
            path.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['<', ':']))
        })
}

/// Most types may go to other threads: only those are listed that may not, or under a condition. Of the other traits
/// that types have by themselves, two are no part of stable Rust, and the rest is left to cargo-semver-checks.
fn usual(item: &str) -> bool {
    let own = ["Freeze", "Unpin", "UnsafeUnpin"]
        .iter()
        .any(|name| is_impl(item, &format!("core::marker::{name}")));
    let unwind = item.starts_with("impl") && item.contains("core::panic::unwind_safe::");
    let threads = is_impl(item, "core::marker::Send") || is_impl(item, "core::marker::Sync");
    own || unwind || threads && !item.contains(" where ") && !item.contains('!')
}

/// Whether it is an `impl` of this trait, for whatever type.
fn is_impl(item: &str, name: &str) -> bool {
    item.starts_with("impl") && item.contains(&format!("{name} for "))
}
