//! The one source of every register, line layout and constant of the card.
