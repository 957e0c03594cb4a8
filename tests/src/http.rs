//! Asking over HTTP, in the tests' own words.

use bytes::Bytes;

/// A client of this process.
#[must_use]
pub fn http() -> reqwest::Client {
    service::program::install_tls();
    reqwest::Client::builder().build().expect("a client can be built")
}

/// The status and the body behind a URL.
///
/// # Errors
/// When nothing answers.
pub async fn get(url: &str) -> Result<(u16, Bytes), reqwest::Error> {
    let answer = http().get(url).send().await?;
    Ok((answer.status().as_u16(), answer.bytes().await?))
}
