//! The machine that the figures are from.

use std::{fs, process::Command};

use crate::Failure;

/// What a reader has to know of it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) wrk: String,
    /// The load average of the last minute, before anything was measured.
    pub(crate) busy: String,
    cpus: Vec<usize>,
}

impl Machine {
    pub(crate) fn look() -> Result<Self, Failure> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let status = fs::read_to_string("/proc/self/status")?;
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        Ok(Self {
            cpu: field(&cpuinfo, "model name")
                .unwrap_or("an unnamed CPU")
                .into(),
            kernel: release
                .trim()
                .split('.')
                .take(2)
                .collect::<Vec<_>>()
                .join("."),
            rustc: first_line("rustc", "--version")?,
            wrk: first_line("wrk", "-v")?,
            busy: word(&fs::read_to_string("/proc/loadavg")?, 0),
            cpus: list(field(&status, "Cpus_allowed_list").unwrap_or("0"))?,
        })
    }

    pub(crate) fn cores(&self) -> usize {
        self.cpus.len()
    }

    /// The CPUs for a server of so many workers, and those for its load: the rest, or the same
    /// where there is no rest.
    pub(crate) fn split(&self, workers: usize) -> (String, String) {
        let (server, load) = self.cpus.split_at(workers.min(self.cores()));
        let load = if load.is_empty() { server } else { load };
        (join(server), join(load))
    }
}

/// The value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn word(text: &str, index: usize) -> String {
    text.split_whitespace().nth(index).unwrap_or("?").into()
}

fn first_line(program: &str, version: &str) -> Result<String, Failure> {
    let output = Command::new(program).arg(version).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().next().unwrap_or("?");
    Ok(format!("{program} {}", word(line, 1)))
}

/// The numbers of a list such as `0-2,5`.
fn list(text: &str) -> Result<Vec<usize>, Failure> {
    let mut numbers = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        numbers.extend(first.parse::<usize>()?..=last.parse()?);
    }
    Ok(numbers)
}

fn join(cpus: &[usize]) -> String {
    let names: Vec<String> = cpus.iter().map(usize::to_string).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(list("0-2,5").expect("a list"), [0, 1, 2, 5]);
        assert!(list("some").is_err());
    }
}
