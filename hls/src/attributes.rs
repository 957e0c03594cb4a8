//! A tag's attribute list (RFC 8216bis 4.2), kept whole and in order.
//!
//! Attributes that this crate knows nothing of pass through untouched: what players will understand tomorrow must not be lost
//! here today.

use std::fmt;

use quick_m3u8::tag::{AttributeValue, UnknownTag};

/// A tag's attributes in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, Value)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Quoted(String),
    Bare(String),
}

impl Attributes {
    pub(crate) fn of(tag: UnknownTag<'_>) -> Result<Self, String> {
        let value = tag.value().ok_or("an attribute list is missing")?;
        let list = value.try_as_ordered_attribute_list().map_err(|error| error.to_string())?;
        let value_of = |value| match value {
            AttributeValue::Quoted(text) => Ok(Value::Quoted(text.to_owned())),
            AttributeValue::Unquoted(bytes) => match std::str::from_utf8(bytes.0) {
                Ok(text) => Ok(Value::Bare(text.trim().to_owned())),
                Err(error) => Err(error.to_string()),
            },
        };
        list.into_iter()
            .map(|(name, value)| Ok((name.trim().to_owned(), value_of(value)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of `name`, its quotes taken off.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| match value {
            Value::Quoted(text) | Value::Bare(text) => text.as_str(),
        })
    }

    /// The value of `name` as a number; none if it is no number.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.value(name)?.parse().ok()
    }

    /// Sets `name` in its place, or as the last, to a quoted string. HLS has no escapes, so characters that would end the string
    /// are percent-encoded, as they would be in a URI.
    pub fn set_quoted(&mut self, name: &str, value: &str) {
        self.set(name, Value::Quoted(value.replace('"', "%22").replace('\n', "%0A").replace('\r', "%0D")));
    }

    /// Sets `name` in its place, or as the last, to an unquoted value: a number or an enumerated word.
    pub fn set_bare(&mut self, name: &str, value: impl fmt::Display) {
        self.set(name, Value::Bare(value.to_string()));
    }

    /// Takes `name` out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match value {
                Value::Quoted(text) => write!(f, "{comma}{name}=\"{text}\"")?,
                Value::Bare(text) => write!(f, "{comma}{name}={text}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_cannot_end_the_string_it_is_put_into() {
        let mut attributes = Attributes::default();
        attributes.set_bare("BANDWIDTH", 5);
        attributes.set_quoted("URI", "http://a/\"\n,X=1");
        attributes.set_bare("BANDWIDTH", 6);
        assert_eq!(attributes.to_string(), "BANDWIDTH=6,URI=\"http://a/%22%0A,X=1\"");
        attributes.remove("URI");
        assert_eq!((attributes.number::<u64>("BANDWIDTH"), attributes.value("URI")), (Some(6), None));
    }
}
