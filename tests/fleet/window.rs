//! What the fleet's window is (rule N2).
