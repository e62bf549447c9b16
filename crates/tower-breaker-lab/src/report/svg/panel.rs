//! Where things are in a picture.

use std::fmt::Write;

pub(super) const WIDTH: f64 = 960.0;
pub(super) const HEIGHT: f64 = 496.0;
/// Between these two is time.
pub(super) const LEFT: f64 = 72.0;
pub(super) const RIGHT: f64 = WIDTH - 24.0;

/// A part of the picture with a scale of its own.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) top: f64,
    pub(super) height: f64,
}

pub(super) const CALLS: Panel = Panel {
    top: 98.0,
    height: 220.0,
};
pub(super) const BAND: Panel = Panel {
    top: 330.0,
    height: 22.0,
};
pub(super) const LOAD: Panel = Panel {
    top: 376.0,
    height: 84.0,
};

impl Panel {
    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub(super) fn y(&self, value: f64, most: f64) -> f64 {
        self.bottom() - self.height * (value / most).clamp(0.0, 1.0)
    }
}

/// Where this share of the time is.
pub(super) fn x(share: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * share
}

/// A line of steps from the left to the right.
pub(super) fn steps(panel: &Panel, values: &[f64], most: f64) -> String {
    let mut path = String::new();
    for (number, value) in values.iter().enumerate() {
        let (from, to) = edges(number, values.len());
        let y = panel.y(*value, most);
        let _ = match number {
            0 => write!(path, "{from:.1} {y:.1}H{to:.1}"),
            _ => write!(path, "V{y:.1}H{to:.1}"),
        };
    }
    path
}

/// The same from the right to the left.
pub(super) fn steps_back(panel: &Panel, values: &[f64], most: f64) -> String {
    let mut path = String::new();
    for (number, value) in values.iter().enumerate().rev() {
        let (from, to) = edges(number, values.len());
        let y = panel.y(*value, most);
        let _ = match path.is_empty() {
            true => write!(path, "{to:.1} {y:.1}H{from:.1}"),
            false => write!(path, "V{y:.1}H{from:.1}"),
        };
    }
    path
}

fn edges(number: usize, many: usize) -> (f64, f64) {
    let share = |number| number as f64 / many as f64;
    (x(share(number)), x(share(number + 1)))
}
