//! Checks of resources against profiles.
