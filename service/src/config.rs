//! One program's configuration from its four layers: defaults < file < environment < command line.
//!
//! A key of the environment is `SPILLWAY_` and the key's path in capitals, sections parted by two underscores:
//! `SPILLWAY_JOIN_SECRET`, `SPILLWAY_HTTP__MAX_CONNECTIONS`. The four programs share one environment, so a variable whose
//! first word is no key of this program is another program's and is left alone. Numbers and lists are read as such, but for secrets
//! (`secret`, `…_secret`), which are text whatever they look like. No error quotes a secret.

use std::path::{Path, PathBuf};

use figment::{
    Figment, Profile,
    providers::{Env, Format as _, Serialized, Toml},
};
use serde::{Serialize, de::DeserializeOwned};

/// What every variable of the environment begins with.
pub const ENV_PREFIX: &str = "SPILLWAY_";

/// A configuration that cannot be used. The text names the key, the layer it came from, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `--config` names a file that cannot be read.
    #[error("cannot read the config file {path}: {reason}; give the path of a TOML file with --config")]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A value that does not fit its key, or a key that does not exist.
    #[error("{0}; --print-config shows all keys with their defaults")]
    Invalid(String),
}

/// Reads the configuration of a program.
///
/// `command_line` is what was given as flags: a struct whose unset fields serialize to nothing.
///
/// # Errors
/// When the file cannot be read, a key is unknown, or a value does not fit.
pub fn load<T>(file: Option<&Path>, command_line: impl Serialize) -> Result<T, ConfigError>
where
    T: Default + Serialize + DeserializeOwned,
{
    let defaults = Figment::from(Serialized::defaults(T::default()));
    let known: Vec<String> = top_level_keys(&defaults);
    let environment = Env::prefixed(ENV_PREFIX)
        .split("__")
        .filter(move |key| {
            let first = key.as_str().split('.').next().unwrap_or_default().to_ascii_lowercase();
            known.contains(&first)
        })
        .profile(Profile::Default);

    let mut layers = defaults;
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
        layers = layers.merge(NamedToml { text, path: path.to_owned() });
    }
    layers = layers.merge(environment.clone().filter(|key| !is_secret(key.as_str())));
    for (key, text) in environment.iter().filter(|(key, _)| is_secret(key.as_str())) {
        layers = layers.merge(SecretOfEnvironment { key: key.as_str().to_ascii_lowercase(), text });
    }
    layers.merge(CommandLine(command_line)).extract().map_err(|error| ConfigError::Invalid(explain(error)))
}

/// The configuration as TOML, as `--print-config` shows it.
///
/// # Errors
/// When a value has no form in TOML, which is a defect of the program's config struct.
pub fn print<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    toml::to_string_pretty(config).map_err(|error| ConfigError::Invalid(error.to_string()))
}

fn top_level_keys(figment: &Figment) -> Vec<String> {
    use figment::Provider as _;
    figment
        .data()
        .ok()
        .and_then(|mut data| data.remove(&Profile::Default))
        .map(|keys| keys.into_keys().collect())
        .unwrap_or_default()
}

/// Whether the value of a key, given by its path, is a secret.
fn is_secret(path: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    key == "secret" || key.ends_with("_secret")
}

/// All errors of a figment in one line each, in words of the config rather than of the library.
fn explain(error: figment::Error) -> String {
    error
        .into_iter()
        .map(|e| e.to_string().replace("for key \"default.", "for key \"").replace("\"default.", "\""))
        .collect::<Vec<_>>()
        .join("; ")
}

/// A TOML text that knows which file it came from, so that errors can say so.
struct NamedToml {
    text: String,
    path: PathBuf,
}

impl figment::Provider for NamedToml {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named(format!("config file {}", self.path.display()))
    }

    fn data(&self) -> Result<figment::value::Map<Profile, figment::value::Dict>, figment::Error> {
        // The library's own words on a broken line quote it, and it may be that of a secret.
        if let Err(error) = toml::from_str::<toml::Table>(&self.text) {
            let before = &self.text[..error.span().map_or(0, |span| span.start.min(self.text.len()))];
            let (line, message) = (before.matches('\n').count() + 1, error.message());
            return Err(format!("line {line}: {message}").into());
        }
        Toml::string(&self.text).data()
    }
}

/// A secret from the environment, which is text even if it is all digits.
struct SecretOfEnvironment {
    /// Its path, such as `join_secret`.
    key: String,
    text: String,
}

impl figment::Provider for SecretOfEnvironment {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named("the environment")
    }

    fn data(&self) -> Result<figment::value::Map<Profile, figment::value::Dict>, figment::Error> {
        Serialized::default(&self.key, &self.text).data()
    }
}

/// What was given as flags; errors say so, where the library would name a line of our code.
struct CommandLine<T>(T);

impl<T: Serialize> figment::Provider for CommandLine<T> {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::named("the command line")
    }

    fn data(&self) -> Result<figment::value::Map<Profile, figment::value::Dict>, figment::Error> {
        Serialized::defaults(&self.0).data()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde::Deserialize;

    use super::*;
    use crate::Secret;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        name: String,
        secret: Option<Secret>,
        http: Http,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Http {
        connections: u32,
        #[serde(with = "humantime_serde")]
        idle: std::time::Duration,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { name: "a".into(), secret: None, http: Http::default() }
        }
    }

    impl Default for Http {
        fn default() -> Self {
            Self { connections: 10, idle: std::time::Duration::from_secs(30) }
        }
    }

    #[derive(Serialize, Default)]
    struct Flags {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn a_later_layer_wins_and_keeps_what_it_does_not_name() {
        let file = file("name = 'file'\nsecret = 's'\n[http]\nidle = '5s'\n");
        let read: Sample = load(Some(file.path()), Flags { name: Some("flag".into()) }).unwrap();
        let idle = std::time::Duration::from_secs(5);
        assert_eq!(
            read,
            Sample { name: "flag".into(), secret: Some("s".into()), http: Http { connections: 10, idle } }
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_name_and_file() {
        let file = file("[http]\nconections = 3\n");
        let error = load::<Sample>(Some(file.path()), Flags::default()).unwrap_err().to_string();
        assert!(error.contains("conections"), "{error}");
        assert!(error.contains("--print-config"), "{error}");
    }

    #[test]
    fn a_value_that_does_not_fit_names_its_key() {
        let file = file("[http]\nconnections = 'many'\n");
        let error = load::<Sample>(Some(file.path()), Flags::default()).unwrap_err().to_string();
        assert!(error.contains("http.connections"), "{error}");
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }

    #[test]
    fn a_secret_of_the_environment_is_text_whatever_it_looks_like() {
        for text in ["123456", "true", "[1, 2]", "0x10", "1e5", " a=b "] {
            let secret = SecretOfEnvironment { key: "secret".into(), text: text.into() };
            let read: Sample =
                Figment::from(Serialized::defaults(Sample::default())).merge(secret).extract().unwrap();
            assert_eq!(read.secret.unwrap().reveal(), text);
        }
        for (key, secret) in
            [("secret", true), ("http.join_secret", true), ("JOIN_SECRET", true), ("secrets", false)]
        {
            assert_eq!(is_secret(key), secret, "{key}");
        }
    }

    #[test]
    fn no_error_quotes_a_secret() {
        for written in [
            "secret = 734734",
            "secret = -734734",
            "secret = 734.734",
            "secret = [734734]",
            "secret = { a = 734734 }",
            "secret = xx734734",
            "secret = \"xx734734",
            "secret = 'xx734734' oops",
            "secret = 734734xx",
        ] {
            let file = file(&format!("name = 'a'\n{written}\n"));
            let error = load::<Sample>(Some(file.path()), Flags::default()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("734"), "{written}: {said}");
            assert!(said.contains("secret") || said.contains("line 2"), "{written}: {said}");
        }
    }

    #[test]
    fn a_printed_secret_is_not_shown_and_cannot_be_taken_for_one() {
        let secret = Some(Secret::from("open sesame"));
        let printed = print(&Sample { secret, ..Sample::default() }).unwrap();
        assert!(printed.contains("secret = ") && !printed.contains("sesame"), "{printed}");
        let error = load::<Sample>(Some(file(&printed).path()), Flags::default()).unwrap_err().to_string();
        assert!(error.contains("\"secret\"") && error.contains("write the secret itself"), "{error}");
    }

    #[test]
    fn a_flag_that_does_not_fit_names_its_key_and_the_command_line() {
        let flags = std::collections::BTreeMap::from([("http", 3)]);
        let error = load::<Sample>(None, flags).unwrap_err().to_string();
        assert!(error.contains("\"http\" in the command line"), "{error}");
        assert!(!error.contains(".rs"), "{error}");
    }

    #[test]
    fn a_missing_file_says_which_and_what_to_do() {
        let error =
            load::<Sample>(Some(Path::new("/nowhere/x.toml")), Flags::default()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/x.toml") && error.contains("--config"), "{error}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let file = file(&print(&Sample::default()).unwrap());
        assert_eq!(load::<Sample>(Some(file.path()), Flags::default()).unwrap(), Sample::default());
    }
}
