//! FHIR resources as trees of nodes, written to JSON once.
