//! Counts what one call of each contender allocates, and writes it as a table for `comparison`.
//!
//! The counting allocator comes with the crate that is used here; nobody else may use it.

use tower_breaker_comparison::{contenders, forms::Row, results::key, work::Path};

/// Enough that what is allocated once in a while shows as a small share of a call.
const CALLS: u64 = 10_000;

fn main() {
    for row in contenders::rows() {
        for path in Path::ALL {
            println!("{}", entry(&row, path));
        }
    }
}

fn entry(row: &Row, path: Path) -> String {
    let mut work = row.maker(path)();
    work(CALLS);
    let counted = allocation_counter::measure(|| work(CALLS));
    format!(
        "{}\t{:.4}\t{:.4}",
        key(row, path),
        counted.count_total as f64 / CALLS as f64,
        counted.bytes_total as f64 / CALLS as f64,
    )
}
