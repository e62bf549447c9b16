//! Health, a look at every circuit, and control, as routers for axum.
