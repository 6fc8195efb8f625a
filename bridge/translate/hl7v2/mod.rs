//! HL7 v2 text to a tree of segments, fields, repetitions, components and subcomponents.
