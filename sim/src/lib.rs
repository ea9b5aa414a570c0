//! Cycle-accurate simulation of the card, its wire and its host.
