//! Looks names up in concurrent maps, side by side, and writes the table.
//!
//! `tower-breaker-maps-bench <directory> [--quick]`; `run` calls it. No figure is judged.

mod held_back;
mod maps;
mod measure;

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use self::{
    maps::{CHOSEN, Contender},
    measure::{Cost, Effort, measure},
};

const SIZES: [usize; 4] = [1, 100, 1_000, 10_000];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [directory, rest @ ..] = arguments.as_slice() else {
        return Err("usage: tower-breaker-maps-bench <directory> [--quick]".into());
    };
    let effort = match rest {
        [] => Effort::FULL,
        [flag] if flag == "--quick" => Effort::QUICK,
        _ => return Err(format!("unknown arguments: {rest:?}").into()),
    };
    fs::write(Path::new(directory).join("RESULTS.md"), document(effort)?)?;
    Ok(())
}

fn names(kind: &str, number: usize) -> Vec<String> {
    (0..number)
        .map(|n| format!("/api/v1/{kind}/{n:0>5}/{{id}}"))
        .collect()
}

fn document(effort: Effort) -> Result<String, Box<dyn Error>> {
    let mut text = include_str!("preface.md").to_owned();
    writeln!(text, "- processor: {}", env::var("PROCESSOR")?)?;
    writeln!(
        text,
        "- compiler: {}, release build\n",
        env::var("COMPILER")?
    )?;
    writeln!(text, "## A name that is there\n")?;
    table(&mut text, true, effort)?;
    writeln!(text, "\n## A name that nobody has\n")?;
    table(&mut text, false, effort)?;
    held_back(&mut text)?;
    text.push_str(include_str!("verdict.md"));
    Ok(text)
}

fn held_back(text: &mut String) -> Result<(), std::fmt::Error> {
    text.push_str(include_str!("held_back.md"));
    let [places, turns] = [held_back::PLACES, held_back::TURNS];
    writeln!(
        text,
        "| map | of {turns} that went through {places} places, at most |"
    )?;
    writeln!(text, "|---|--:|")?;
    writeln!(text, "| **papaya 0.2.5** | {} |", held_back::by_papaya())?;
    writeln!(
        text,
        "| scc 3.8.8, HashIndex | {} |",
        held_back::by_scc_index()
    )?;
    writeln!(text, "| arc-swap, RwLock | 0 |")
}

fn table(text: &mut String, found: bool, effort: Effort) -> Result<(), std::fmt::Error> {
    let mut headed = false;
    for size in SIZES {
        let there = names("things", size);
        let asked = if found {
            there.clone()
        } else {
            names("others", size)
        };
        let maps = maps::all(&there);
        if !headed {
            head(text, &maps)?;
            headed = true;
        }
        for threads in [1, 2] {
            eprintln!("{size} names, {threads} threads");
            row(
                text,
                size,
                threads,
                &measure(&maps, &asked, found, threads, effort),
            )?;
        }
    }
    Ok(())
}

fn head(text: &mut String, maps: &[Contender]) -> Result<(), std::fmt::Error> {
    let named = maps.iter().map(|map| match map.name {
        CHOSEN => format!("**{CHOSEN}**"),
        name => name.to_owned(),
    });
    writeln!(
        text,
        "| names | threads | {} |",
        named.collect::<Vec<_>>().join(" | ")
    )?;
    writeln!(text, "|--:|--:|{}", "--:|".repeat(maps.len()))
}

fn row(
    text: &mut String,
    size: usize,
    threads: usize,
    costs: &[Cost],
) -> Result<(), std::fmt::Error> {
    write!(text, "| {size} | {threads} |")?;
    for Cost { nanos, ratio } in costs {
        write!(text, " {ratio:.2} ({nanos:.0}) |")?;
    }
    writeln!(text)
}
