//! The last good answer: what is kept, what is given once more, and that nobody gets another's.

mod hostile;
mod serving;
mod stage;
mod storing;
