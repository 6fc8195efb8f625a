//! Mapping: rule sets, compiled to a plan and applied to messages.
