//! What a request's headers say of the answer's form: whether it may be compressed (RFC 9110 12.5.3), and whether the asker has
//! it already (RFC 9110 13.1.2).

use http::{HeaderMap, HeaderName, header};

/// Whether gzip is acceptable, and no worse than the text as it is.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight = |coding: &str| {
        let said = items(headers, header::ACCEPT_ENCODING).filter_map(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            name.trim().eq_ignore_ascii_case(coding).then(|| quality(parameters))
        });
        said.last()
    };
    let gzip = weight("gzip").or_else(|| weight("x-gzip")).or_else(|| weight("*")).unwrap_or(0.0);
    gzip > 0.0 && gzip >= weight("identity").unwrap_or(0.0)
}

/// Whether the asker has what `tag` names, which there is: `*` names whatever there is.
pub(super) fn has(headers: &HeaderMap, tag: &str) -> bool {
    names(headers, tag) || items(headers, header::IF_NONE_MATCH).any(|item| item == "*")
}

/// Whether the asker names `tag`, by the weak comparison that If-None-Match calls for.
pub(super) fn names(headers: &HeaderMap, tag: &str) -> bool {
    items(headers, header::IF_NONE_MATCH).any(|item| item.trim_start_matches("W/") == tag)
}

/// The items of a list, which may stand in several headers (RFC 9110 5.6.1). Our own tags have no comma in them.
fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The weight in an item's parameters: 1 without one (RFC 9110 12.4.2), 0 for what is none.
fn quality(parameters: &str) -> f32 {
    match parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q=")) {
        Some(weight) => weight.trim().parse().unwrap_or(0.0),
        None => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn gzip_is_sent_to_whoever_takes_it_and_does_not_like_the_text_better() {
        for (values, accepts) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["gzip, deflate, br, zstd"], true),
            (&["deflate", "GZIP;q=0.1"], true),
            (&["x-gzip"], true),
            (&["*"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0, *"], false),
            (&["*;q=0"], false),
            (&["identity"], false),
            (&["gzip;q=0.5, identity;q=0.9"], false),
            (&["gzip;q=0.9, identity;q=0.5"], true),
            (&["gzip;q=nonsense"], false),
            (&["gzipped"], false),
        ] {
            assert_eq!(accepts_gzip(&headers(&header::ACCEPT_ENCODING, values)), accepts, "{values:?}");
        }
    }

    #[test]
    fn an_asker_has_what_any_of_its_tags_names() {
        for (values, has_it) in [
            (&[][..], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"x\", \"a\""], true),
            (&["\"x\"", "\"a\""], true),
            (&["*"], true),
            (&["\"ab\""], false),
            (&["a"], false),
        ] {
            assert_eq!(has(&headers(&header::IF_NONE_MATCH, values), "\"a\""), has_it, "{values:?}");
        }
    }
}
