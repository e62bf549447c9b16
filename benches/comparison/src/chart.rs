//! stub
use crate::results::Line;
/// stub
pub fn draw(_: &[Line]) -> Result<String, std::fmt::Error> {
    Ok(String::new())
}
