//! Translation of HL7 v2, SS-MIX2 and proprietary records to FHIR R4 (JP Core).
//!
//! Pure: bytes, a mapping set and a context in; resources and findings out. No I/O, no clock, no
//! threads, no SQL. The walk of one message, in reading order:
//! [`charset`] decodes bytes, [`hl7v2`] parses text, [`ssmix2`] reads what path and file name say,
//! [`feed`] does for proprietary files what `hl7v2` does for messages, [`mapping`] applies rules, [`fhir`] holds and writes what they make, [`profile`] checks it.
//! [`finding`] is how every step reports trouble in the data; [`identity`] derives ids.

pub mod charset;
pub mod feed;
pub mod fhir;
pub mod finding;
pub mod hl7v2;
pub mod identity;
pub mod mapping;
pub mod profile;
mod quick;
pub mod ssmix2;
pub mod translation;

#[cfg(test)]
mod trial;
