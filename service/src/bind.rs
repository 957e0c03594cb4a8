//! Binding a listening socket, with an error that says which address, why, and which flag gives another.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// A listening socket that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address} for {purpose}: the port is in use by another program (one bound to 0.0.0.0 takes it on \
         every address); stop that one or give another address with {flag}"
    )]
    InUse {
        /// What was asked for.
        address: SocketAddr,
        /// What the socket is for.
        purpose: &'static str,
        /// The argument or flag that changes it.
        flag: &'static str,
    },
    /// The address is none of this host's.
    #[error(
        "cannot listen on {address} for {purpose}: this host has no such address; give another with {flag}"
    )]
    NotOurs {
        /// What was asked for.
        address: SocketAddr,
        /// What the socket is for.
        purpose: &'static str,
        /// The argument or flag that changes it.
        flag: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address} for {purpose}: {reason}; give another address with {flag}")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// What the socket is for.
        purpose: &'static str,
        /// The argument or flag that changes it.
        flag: &'static str,
        /// What the system said.
        reason: io::Error,
    },
}

/// Listens on `address`. `purpose` and `flag` are for the error: "viewers", "the ADDRESS argument".
///
/// # Errors
/// When the port is in use, the address is not this host's, or the system refuses.
pub async fn bind(
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|reason| match reason.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, purpose, flag },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address, purpose, flag },
        _ => BindError::Other { address, purpose, flag, reason },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_names_address_purpose_and_flag() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "viewers", "the ADDRESS argument").await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "viewers", "the ADDRESS argument").await.unwrap_err().to_string();
        for part in [&address.to_string(), "viewers", "in use", "the ADDRESS argument"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_of_another_host_is_said_to_be_one() {
        let error =
            bind("192.0.2.1:0".parse().unwrap(), "viewers", "--listen").await.unwrap_err().to_string();
        assert!(error.contains("no such address"), "{error}");
    }
}
