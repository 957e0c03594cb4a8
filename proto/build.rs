//! Compiles the protos with protox, so that nobody needs protoc, and keeps the descriptor set for gRPC reflection.

use std::{env, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 4] = ["types", "fleet", "viewers", "operator"];
    println!("cargo:rerun-if-changed=proto");
    let paths = FILES.map(|name| format!("proto/spillway/v1/{name}.proto"));
    let descriptors = protox::compile(paths, ["proto"])?;
    let descriptor_set = descriptors.encode_to_vec();
    tonic_prost_build::configure().compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptor_set)?
        .preserve_proto_field_names()
        .emit_fields()
        .build(&[".spillway.v1"])?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("spillway.v1.bin"), descriptor_set)?;
    Ok(())
}
