//! Line messages, endpoint layouts and interconnect profiles.
