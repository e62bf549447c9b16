//! [`Script`]: what becomes of which request.

use std::{io, time::Duration};

use http::StatusCode;

/// What a [`FlakyServer`](super::FlakyServer) does with one request after the other. Each method adds a line.
///
/// After the last line, each request is answered by a 500 whose text says that the script has ended. So it is unless
/// something is [repeated](Self::then_repeat).
///
/// ```
/// use std::time::Duration;
/// use tower_breaker_test::server::Script;
///
/// // Three answers, five failures, one that takes its time, and from then on one failure in three.
/// let script = Script::new()
///     .ok(3)
///     .status(503).times(5)
///     .slow(Duration::from_millis(200))
///     .then_repeat().ok(2).status(500);
/// # let _ = script;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Script {
    lines: Vec<Line>,
    /// The first line that is repeated.
    repeated: Option<usize>,
    /// What makes no sense, if something does.
    wrong: Option<&'static str>,
}

/// What is done with so many requests in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    act: Act,
    times: u64,
}

/// What is done with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Answer(u16),
    Slow(Duration),
    Hang,
    Close,
}

impl Script {
    /// A script without a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many requests are answered by a 200, with an empty body.
    pub fn ok(self, requests: u64) -> Self {
        self.line(Act::Answer(200)).times(requests)
    }

    /// A request is answered by this status, with an empty body. In 200..=599.
    pub fn status(self, status: u16) -> Self {
        self.line(Act::Answer(status))
    }

    /// A request is answered by a 200 with an empty body, after this time. The time is real, and begins when the head
    /// is there.
    pub fn slow(self, after: Duration) -> Self {
        self.line(Act::Slow(after))
    }

    /// A request gets no answer, and its connection stays open. It ends with the client's patience, or with the server.
    pub fn hang(self) -> Self {
        self.line(Act::Hang)
    }

    /// A request gets no answer, and its connection is closed. It is not reset, unless the client has sent more than
    /// the request.
    pub fn close(self) -> Self {
        self.line(Act::Close)
    }

    /// The line before is for so many requests, in place of one. With 0, it is left out.
    ///
    /// A line that is for another number already is refused, as in `.ok(3).times(2)`.
    pub fn times(mut self, requests: u64) -> Self {
        let repeats_from_here = self.repeated == Some(self.lines.len());
        match self.lines.last_mut() {
            None => self.wrong = Some("`times` is the first line, but must be after another"),
            Some(_) if repeats_from_here => {
                self.wrong = Some("`times` is right after `then_repeat`, but must be after a line");
            }
            Some(line) if line.times != 1 => {
                self.wrong = Some("`times` is for a line that has a number, but must be its first");
            }
            Some(line) => line.times = requests,
        }
        self
    }

    /// The lines after this one are repeated for ever.
    pub fn then_repeat(mut self) -> Self {
        if self.repeated.is_some() {
            self.wrong = Some("`then_repeat` is there twice, but must be there once");
        }
        self.repeated = Some(self.lines.len());
        self
    }

    fn line(mut self, act: Act) -> Self {
        self.lines.push(Line { act, times: 1 });
        self
    }

    pub(super) fn check(&self) -> io::Result<()> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if let Some(wrong) = self.wrong {
            return refused(wrong);
        }
        for line in &self.lines {
            match line.act {
                Act::Answer(status) if !(200..=599).contains(&status) => {
                    return refused(&format!("`status` is {status}, but must be in 200..=599"));
                }
                _ => {}
            }
        }
        match self.repeated {
            Some(from) if requests_of(&self.lines[from..]) == 0 => {
                refused("`then_repeat` is for no request, but must have a line after it")
            }
            _ => Ok(()),
        }
    }

    /// What is done with a request; the first is 0. `None` after the end.
    pub(super) fn act(&self, request: u64) -> Option<Act> {
        let (once, repeated) = self
            .lines
            .split_at(self.repeated.unwrap_or(self.lines.len()));
        find(once, request).or_else(|| {
            let after = request - requests_of(once);
            find(repeated, after.checked_rem(requests_of(repeated))?)
        })
    }

    /// How many of so many requests come after the end.
    pub(super) fn after_its_end(&self, requests: u64) -> u64 {
        match self.repeated {
            None => requests.saturating_sub(requests_of(&self.lines)),
            Some(_) => 0,
        }
    }
}

impl Act {
    /// How long its answer takes at least.
    pub(super) fn wait(self) -> Option<Duration> {
        match self {
            Self::Slow(after) => Some(after),
            Self::Answer(_) | Self::Hang | Self::Close => None,
        }
    }

    /// The status with which it ends, if it ends with an answer.
    pub(super) fn status(self) -> Option<StatusCode> {
        match self {
            Self::Answer(status) => StatusCode::from_u16(status).ok(),
            Self::Slow(_) => Some(StatusCode::OK),
            Self::Hang | Self::Close => None,
        }
    }
}

fn requests_of(lines: &[Line]) -> u64 {
    lines
        .iter()
        .fold(0, |sum, line| line.times.saturating_add(sum))
}

fn find(lines: &[Line], mut request: u64) -> Option<Act> {
    for line in lines {
        match request.checked_sub(line.times) {
            None => return Some(line.act),
            Some(rest) => request = rest,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(script: &Script, requests: u64) -> Vec<Option<u16>> {
        let status = |request| Some(script.act(request)?.status()?.as_u16());
        (0..requests).map(status).collect()
    }

    #[test]
    fn each_request_takes_the_next_line() {
        let script = Script::new()
            .ok(2)
            .status(503)
            .times(2)
            .status(404)
            .times(0)
            .status(500);
        let expected = [200, 200, 503, 503, 500].map(Some);
        assert_eq!(acts(&script, 5), expected);
        assert_eq!(script.act(5), None);
        assert_eq!(script.after_its_end(7), 2);
    }

    #[test]
    fn what_is_repeated_begins_anew_each_time() {
        let script = Script::new().ok(1).then_repeat().status(500).ok(2);
        let expected = [200, 500, 200, 200, 500, 200, 200, 500].map(Some);
        assert_eq!(acts(&script, 8), expected);
        assert_eq!(script.act(u64::MAX), Some(Act::Answer(200)));
        assert_eq!(script.after_its_end(100), 0);
    }

    #[test]
    fn a_line_for_more_requests_than_can_come_has_no_end() {
        let script = Script::new().ok(u64::MAX).status(500).times(u64::MAX);
        assert_eq!(script.act(u64::MAX - 1), Some(Act::Answer(200)));
        assert_eq!(script.act(u64::MAX), Some(Act::Answer(500)));
    }

    #[test]
    fn a_script_that_makes_no_sense_is_refused() {
        let told = |script: Script| script.check().expect_err("refused").to_string();
        let status = |status| told(Script::new().ok(1).status(status));
        assert_eq!(status(199), "`status` is 199, but must be in 200..=599");
        assert_eq!(status(600), "`status` is 600, but must be in 200..=599");
        assert!(Script::new().status(200).status(599).check().is_ok());
        let times = told(Script::new().times(3).ok(1));
        assert_eq!(
            times,
            "`times` is the first line, but must be after another"
        );
        let repeated = Script::new().ok(1).then_repeat().times(3).ok(1);
        assert_eq!(
            told(repeated),
            "`times` is right after `then_repeat`, but must be after a line"
        );
        for several in [
            Script::new().ok(3).times(2),
            Script::new().status(503).times(2).times(3),
            Script::new().close().times(0).times(3),
        ] {
            assert_eq!(
                told(several),
                "`times` is for a line that has a number, but must be its first"
            );
        }
        let none = "`then_repeat` is for no request, but must have a line after it";
        assert_eq!(told(Script::new().ok(1).then_repeat()), none);
        assert_eq!(told(Script::new().then_repeat().ok(0)), none);
        let twice = told(Script::new().then_repeat().ok(1).then_repeat().ok(1));
        assert_eq!(
            twice,
            "`then_repeat` is there twice, but must be there once"
        );
    }
}
