//! The last good answer: what is kept, what is given once more, and that nobody gets another's.

mod bodies;
mod bounds;
mod counts;
mod hostile;
mod methods;
mod oracle;
mod printed;
mod serving;
mod sockets;
mod stage;
mod storing;
mod strangers;
