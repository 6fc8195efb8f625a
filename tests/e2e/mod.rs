//! From a sender's socket to a base's journal, with everything between.

mod rehearsal;
