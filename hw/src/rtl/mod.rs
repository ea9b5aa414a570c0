//! Body builder.
