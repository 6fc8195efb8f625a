//! What each address answers. Rights are no matter of these: the table is asked before.

pub mod audit;
pub mod consent;
pub mod facilities;
pub mod file;
pub mod mappings;
pub mod me;
pub mod message;
pub mod messages;
pub mod participation;
pub mod quarantine;
pub mod status;
pub mod system;
pub mod users;
