//! What a call costs, each path beside the floor that the hardware sets for it.
//!
//! Run with `cargo bench --bench targets`, on a machine with at least two cores that has nothing
//! better to do. Absolute figures say little on a shared machine, so every row measures its floor and
//! the path in turn, many times in the same run, and prints the median of the ratios beside the
//! target. `cargo bench --bench targets -- rejection` runs the rows whose names contain the word.

mod measure;
mod rows;
#[path = "../tasks/mod.rs"]
mod tasks;

use measure::{Row, print_head};

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let chosen = |row: &Row| {
        filter
            .as_ref()
            .is_none_or(|word| row.name.contains(word.as_str()))
    };
    print_head();
    for row in rows::rows().into_iter().filter(chosen) {
        row.measure().print();
    }
    rows::print_excess();
    #[cfg(feature = "metrics")]
    rows::print_scrapes();
    rows::print_sizes();
}
