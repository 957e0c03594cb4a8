//! Routes that a program adds to those of its streams: short questions with small bodies, like a primary's invitation.

use std::{collections::HashMap, fmt, future::Future, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response};

type Handler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> + Send + Sync>;

/// A program's own routes. Their paths begin with `/.`, as no stream's name does.
#[derive(Clone, Default)]
pub struct Routes(HashMap<(Method, &'static str), Handler>);

impl Routes {
    /// Adds a route.
    #[must_use]
    pub fn with<H, A>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Bytes>> + Send + 'static,
    {
        debug_assert!(path.starts_with("/."), "streams have the other paths");
        self.0.insert((method, path), Arc::new(move |request| Box::pin(handler(request))));
        self
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Handler> {
        let (_, handler) = self.0.iter().find(|((m, p), _)| m == method && *p == path)?;
        Some(Arc::clone(handler))
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}
