//! What the deployment says: the environment, read once, through an injected reader.

use ghostnet_core::id::InstallationId;

/// Name of the DynamoDB table.
pub const TABLE: &str = "GHOSTNET_TABLE";
/// Id of this installation: the value of the tag `ghostnet:installation`.
pub const INSTALLATION: &str = "GHOSTNET_INSTALLATION";
/// Days that decision records are kept.
pub const RETENTION_DAYS: &str = "GHOSTNET_RETENTION_DAYS";
/// How much is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter of `tracing-subscriber`.
pub const LOG: &str = "GHOSTNET_LOG";
/// What Lambda calls the function that runs, by which the others of the deployment are found. Lambda sets it.
pub const FUNCTION: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// Every variable of the deployment's own that is read; a test compares them with the template.
pub const ALL: [&str; 4] = [TABLE, INSTALLATION, RETENTION_DAYS, LOG];

const RETENTION_DAYS_DEFAULT: u32 = 90;
const RETENTION_DAYS_MAX: u32 = 3_650;
const LOG_DEFAULT: &str = "info";

/// What the deployment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The table.
    pub table: String,
    /// Whose instances these are.
    pub installation: InstallationId,
    /// Days that decision records are kept, 1 to 3,650.
    pub retention_days: u32,
    /// How much is logged.
    pub log: String,
}

/// A setting is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It has no default.
    #[error("`{0}` is not set")]
    Missing(&'static str),
    /// It is not a number of days.
    #[error("`{RETENTION_DAYS}` is `{0}`, not a number from 1 to {RETENTION_DAYS_MAX}")]
    RetentionDays(String),
    /// Neither `AWS_REGION` nor a profile names a region.
    #[error("no AWS region is set")]
    Region,
}

impl Settings {
    /// Reads every setting. An empty variable counts as not set.
    ///
    /// # Errors
    /// The first setting that is missing or wrong.
    pub fn read(read: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = |name: &str| read(name).filter(|text| !text.is_empty());
        Ok(Self {
            table: read(TABLE).ok_or(SettingsError::Missing(TABLE))?,
            installation: InstallationId::new(read(INSTALLATION).ok_or(SettingsError::Missing(INSTALLATION))?),
            retention_days: read(RETENTION_DAYS).map_or(Ok(RETENTION_DAYS_DEFAULT), |text| days(&text))?,
            log: read(LOG).unwrap_or_else(|| LOG_DEFAULT.to_owned()),
        })
    }
}

/// The environment of this process: the reader for [`Settings::read`] outside tests.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn days(text: &str) -> Result<u32, SettingsError> {
    let days = text.parse().ok().filter(|days| (1..=RETENTION_DAYS_MAX).contains(days));
    days.ok_or_else(|| SettingsError::RetentionDays(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn what_is_not_said_has_a_default_or_is_an_error() {
        let least = [(TABLE, "t"), (INSTALLATION, "i")];
        let settings = Settings::read(with(&least));
        let expected = Settings {
            table: "t".to_owned(),
            installation: InstallationId::new("i"),
            retention_days: 90,
            log: "info".to_owned(),
        };
        assert_eq!(settings, Ok(expected));
        assert_eq!(Settings::read(with(&[(TABLE, "t")])), Err(SettingsError::Missing(INSTALLATION)));
        assert_eq!(
            Settings::read(with(&[(TABLE, ""), (INSTALLATION, "i")])),
            Err(SettingsError::Missing(TABLE))
        );
    }

    #[test]
    fn retention_is_a_number_of_days() {
        for (text, days) in [
            ("1", Some(1)),
            ("3650", Some(3_650)),
            ("0", None),
            ("3651", None),
            ("-1", None),
            ("a month", None),
        ] {
            let read = Settings::read(with(&[(TABLE, "t"), (INSTALLATION, "i"), (RETENTION_DAYS, text)]));
            assert_eq!(read.map(|settings| settings.retention_days).ok(), days, "{text}");
        }
    }
}
