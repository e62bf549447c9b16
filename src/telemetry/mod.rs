//! What operators see of circuits: numbers for a dashboard, and traces.
