//! The results as Markdown.

use std::fmt::{self, Write};

use crate::{
    contenders::{self, Contender},
    forms::{BARE, Form},
    machine,
    measure::Cost,
    results::{Allocated, Line, OnPath},
    scenarios::{self, Conduct, Mark, Seen},
    work::Path,
};

/// The whole document.
///
/// # Errors
///
/// None: a string takes everything.
pub fn document(lines: &[Line], conducts: &[Conduct]) -> Result<String, fmt::Error> {
    let mut out = String::new();
    head(&mut out)?;
    speed(&mut out, lines)?;
    memory(&mut out, lines)?;
    conduct(&mut out, conducts)?;
    settings(&mut out)?;
    Ok(out)
}

fn head(out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "# The comparison\n\n\
         tower-breaker beside other circuit breakers for Rust: the same work through each, and the same \
         scenarios. Written by [`run`](run), which needs cargo and nothing else; run it on your machine:\n\n\
         ```sh\nbenches/comparison/run            # writes RESULTS.md and chart.svg, in about three minutes\n\
         benches/comparison/run --quick    # only checks that all of it runs, in seconds\n```\n\n\
         - processor: {}, {} cores\n- compiler: {}, release build\n\n\
         ![Nanoseconds per call over the bare call](chart.svg)\n",
        machine::processor(),
        machine::cores(),
        machine::compiler(),
    )
}

// ---- speed -----------------------------------------------------------------------------------

fn speed(out: &mut String, lines: &[Line]) -> fmt::Result {
    writeln!(
        out,
        "## Speed\n\n\
         Nanoseconds per call **over the bare call**, on one thread and on two that share the breaker, \
         each pinned to a core. The bare call and the protected one are measured in turn, many times in \
         one run; the figure is the median of the differences, and in parentheses the fastest \
         measurement over the fastest bare one. Figures near zero are noise, above or below.\n\n\
         - *closed*: every call succeeds. *1 % fail*: one in a hundred fails. *open*: every call is \
         refused, and the call beside it is a bare one that succeeds.\n\
         - The work is next to nothing and does not wait. A refusal is an error.\n\
         - The machine may be shared, and then its speed changes by the second: compare figures of one run \
         only, by their ratios.\n\
         - Tower's services and futures are awaited in an async function, as most callers do. It keeps the \
         future among its own variables, so a future that was returned through memory is stored twice, and \
         the second time waits for the first. That is why `cargo bench --bench targets`, which polls the \
         future where it was made, shows less for the same call; it has the awaited call beside it.\n\
         - Two threads do nothing but call, which is far more than a server does: it shows who waits \
         for whom. A call that has to wait is polled again at once. Measurements in which another program \
         kept the two apart are left out; where that was nearly all of them, there is a †, and the figure \
         is of little worth.\n"
    )?;
    for form in Form::ALL {
        writeln!(out, "### {}\n", capital(form.name()))?;
        speed_of(out, lines.iter().filter(|line| line.form == form))?;
    }
    Ok(())
}

fn speed_of<'a>(out: &mut String, lines: impl Iterator<Item = &'a Line>) -> fmt::Result {
    write!(out, "| |")?;
    for path in Path::ALL {
        write!(out, " {0}, 1 thread | {0}, 2 threads |", path.name())?;
    }
    writeln!(out, "\n|---|--:|--:|--:|--:|--:|--:|")?;
    for line in lines {
        write!(out, "| {} |", titled(line.contender))?;
        for path in &line.paths {
            write!(out, "{}", speed_cells(line.contender == BARE, path))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn speed_cells(bare: bool, path: &OnPath) -> String {
    let cell = |cost: Cost| {
        let apart = if cost.together { "" } else { " †" };
        match bare {
            true => format!(" *{:.1} itself*{apart} |", cost.bare),
            false => format!(" {:.1} ({:.1}){apart} |", cost.over, cost.least),
        }
    };
    path.cost.map(cell).concat()
}

// ---- memory ----------------------------------------------------------------------------------

fn memory(out: &mut String, lines: &[Line]) -> fmt::Result {
    writeln!(
        out,
        "## Memory\n\n\
         What one call allocates, and the bytes of the service and of its response future. The bare \
         service is {} bytes, its future {}. (A boxed future is 16, and the rest of it is allocated.) \
         A clone per request allocates the same, and what is not listed allocates nothing.\n\n\
         | | form | closed | 1 % fail | open | service | future |\n|---|---|--:|--:|--:|--:|--:|",
        bare_size(lines, |sizes| sizes.0),
        bare_size(lines, |sizes| sizes.1),
    )?;
    for line in lines.iter().filter(|line| is_listed(lines, line)) {
        let allocated = allocations(line);
        let (service, future) = line.sizes.map_or(("–".into(), "–".into()), |sizes| {
            (sizes.0.to_string(), sizes.1.to_string())
        });
        let (who, form) = (titled(line.contender), line.form.name());
        writeln!(
            out,
            "| {who} | {form} | {allocated} | {service} | {future} |"
        )?;
    }
    writeln!(out)
}

/// All but what the text above the table already says.
fn is_listed(lines: &[Line], line: &Line) -> bool {
    let reused = || {
        let same = |other: &&Line| (other.contender, other.form) == (line.contender, Form::Reused);
        lines.iter().find(same)
    };
    let allocates = line.paths.iter().any(|path| path.allocated.times != 0.0);
    match line.form {
        Form::Reused => line.contender != BARE,
        Form::Cloned => reused().map(allocations) != Some(allocations(line)),
        Form::Future | Form::Closure => allocates,
    }
}

fn bare_size(lines: &[Line], side: fn((usize, usize)) -> usize) -> usize {
    let bare = lines.iter().find(|line| line.contender == BARE);
    bare.and_then(|line| line.sizes).map_or(0, side)
}

fn allocations(line: &Line) -> String {
    line.paths.map(|path| allocated(path.allocated)).join(" | ")
}

/// Rounded, but never to nothing.
fn allocated(allocated: Allocated) -> String {
    match allocated {
        Allocated { times, .. } if times.is_nan() => "not counted".to_owned(),
        Allocated { times: 0.0, .. } => "0".to_owned(),
        Allocated { times, bytes } if times < 0.01 => format!("{times:.4} ({bytes:.2} bytes)"),
        Allocated { times, bytes } => format!("{} ({bytes:.0} bytes)", plain(times)),
    }
}

fn plain(times: f64) -> String {
    if (times - times.round()).abs() < 0.005 {
        format!("{times:.0}")
    } else {
        format!("{times:.2}")
    }
}

// ---- conduct ---------------------------------------------------------------------------------

fn conduct(out: &mut String, conducts: &[Conduct]) -> fmt::Result {
    writeln!(
        out,
        "## Correctness\n\n\
         What each did, run for real; the words are made from what was seen. ✓ is what one would hope \
         for, ✗ is not.\n"
    )?;
    for scenario in &scenarios::ALL {
        writeln!(out, "- **{}**: {}", scenario.name, scenario.question)?;
    }
    write!(out, "\n| |")?;
    for scenario in &scenarios::ALL {
        write!(out, " {} |", scenario.name)?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(scenarios::ALL.len()))?;
    for conduct in conducts {
        write!(out, "| {} |", titled(conduct.contender))?;
        for seen in &conduct.seen {
            write!(out, " {} |", marked(seen))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn marked(seen: &Seen) -> String {
    match seen.mark {
        Mark::Good => format!("✓ {}", seen.words),
        Mark::Plain => seen.words.clone(),
        Mark::Bad => format!("✗ {}", seen.words),
    }
}

// ---- settings --------------------------------------------------------------------------------

fn settings(out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "## What each was set to\n\n\
         As alike as they allow, and otherwise as their own documentation says. In the scenarios the \
         break is 60 ms and one probe is admitted, whose success closes, if not said otherwise.\n"
    )?;
    for contender in contenders::all() {
        writeln!(out, "- {}: {}.", versioned(&contender), contender.set_to)?;
    }
    Ok(())
}

fn versioned(contender: &Contender) -> String {
    match contenders::version(contender.name) {
        Some(version) => format!("**{}** {version}", contender.name),
        None => format!("**{}**", contender.name),
    }
}

/// Ours stands out.
fn titled(contender: &str) -> String {
    if contender.starts_with(contenders::ours::NAME) {
        format!("**{contender}**")
    } else {
        contender.to_owned()
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
