//! What each address answers. Rights are no matter of these: the table is asked before.

pub mod participation;
pub mod status;
