//! What the programs say to each other: the messages and services of `spillway.v1`, and their conversions from and to
//! the words of `policy`.
//!
//! The generated types stay here and in the files that speak gRPC; everything behind those files uses `policy`'s words.

#![allow(missing_docs, reason = "generated code; the .proto files hold the documentation")]

pub mod convert;

/// Version 1 of the wire contract, as generated from `proto/spillway/v1`, with proto3's JSON mapping.
pub mod v1 {
    #![allow(unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

    tonic::include_proto!("spillway.v1");
    include!(concat!(env!("OUT_DIR"), "/spillway.v1.serde.rs"));

    /// The encoded descriptor set of all files of this package, for gRPC server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/spillway.v1.bin"));
}
