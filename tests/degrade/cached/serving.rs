//! Which answers are given once more, and how they are marked (rule M4).
