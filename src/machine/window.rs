//! The window of a circuit: none, the last N calls, or the last T.

use super::count_window::CountWindow;
use super::numbers::WindowKind;
use super::time_window::TimeWindow;
use super::types::WindowCounts;

/// What there is to remember of a call: a call without a mark is only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

impl Mark {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// Short for tests.
#[cfg(test)]
impl Mark {
    pub(crate) const FAILED: Self = Self {
        failed: true,
        slow: false,
    };
    pub(crate) const SLOW: Self = Self {
        failed: false,
        slow: true,
    };
    pub(crate) const BOTH: Self = Self {
        failed: true,
        slow: true,
    };
}

#[derive(Debug)]
pub(crate) enum Window {
    None,
    Count(CountWindow),
    Time(TimeWindow),
}

impl Window {
    pub(crate) fn new(kind: WindowKind, track_slow: bool) -> Self {
        match kind {
            WindowKind::None => Self::None,
            WindowKind::Count(size) => Self::Count(CountWindow::new(size, track_slow)),
            WindowKind::Time(span, buckets) => {
                Self::Time(TimeWindow::new(span, buckets, track_slow))
            }
        }
    }

    pub(crate) fn watches_slow(&self) -> bool {
        match self {
            Self::None => false,
            Self::Count(window) => window.watches_slow(),
            Self::Time(window) => window.watches_slow(),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Begins `era`, empty.
    pub(crate) fn start_era(&self, era: u64, now: u64) {
        match self {
            Self::None => {}
            Self::Count(window) => window.start_era(era),
            Self::Time(window) => window.start_era(era, now),
        }
    }

    /// Records a call that neither failed nor was slow.
    #[inline]
    pub(crate) fn record_unmarked(&self, era: u64, now: impl FnOnce() -> u64) {
        self.record_not_failed(era, now);
        self.record_not_slow(era);
    }

    /// The part of [`Window::record_unmarked`] that every window has.
    #[inline]
    pub(crate) fn record_not_failed(&self, era: u64, now: impl FnOnce() -> u64) {
        match self {
            Self::None => {}
            Self::Count(window) => window.record_not_failed(era),
            Self::Time(window) => window.record_unmarked(era, now()),
        }
    }

    /// The other part, which only a count window that watches slow calls has.
    #[inline]
    pub(crate) fn record_not_slow(&self, era: u64) {
        if let Self::Count(window) = self {
            window.record_not_slow(era);
        }
    }

    /// Records a call that failed or was slow, and returns the window with it.
    pub(crate) fn record_marked(&self, era: u64, now: u64, mark: Mark) -> WindowCounts {
        match self {
            Self::None => WindowCounts::default(),
            Self::Count(window) => window.record_marked(era, mark),
            Self::Time(window) => window.record_marked(era, now, mark),
        }
    }

    pub(crate) fn counts(&self, era: u64, now: u64) -> WindowCounts {
        match self {
            Self::None => WindowCounts::default(),
            Self::Count(window) => window.counts(era),
            Self::Time(window) => window.counts(era, now),
        }
    }
}
