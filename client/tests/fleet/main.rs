//! The real client against a small fleet in this process.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "what fails here fails the test")]

mod crowds;
mod exit_codes;
mod moves;
mod several;
mod support;
