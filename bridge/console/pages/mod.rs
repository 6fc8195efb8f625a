//! What each address answers. Rights are no matter of these: the table is asked before.

pub mod audit;
pub mod me;
pub mod status;
pub mod system;
pub mod users;
