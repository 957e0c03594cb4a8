//! One program's configuration from its four layers: defaults < file < environment < command line.
//!
//! A key of the environment is `SPILLWAY_` and the key's path in capitals, sections parted by two underscores:
//! `SPILLWAY_JOIN_SECRET`, `SPILLWAY_HTTP__MAX_CONNECTIONS`. The four programs share one environment, so a variable whose
//! first word is no key of this program is another program's and is left alone.

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
    layers
        .merge(environment)
        .merge(CommandLine(command_line))
        .extract()
        .map_err(|error| ConfigError::Invalid(explain(error)))
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
        Toml::string(&self.text).data()
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

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        name: String,
        secret: Option<String>,
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
