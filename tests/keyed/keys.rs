//! Which key a request has (rule J1).
