//! Scenarios of the simulator: the ones that come with GhostNet, by name, or a file of one's own.

use std::fs;
use std::path::Path;

use ghostnet_sim::scenario::Scenario;

use crate::failure::Failure;
use crate::spec_file;
use crate::words::nearest;

macro_rules! scenarios {
    ($($name:literal),+ $(,)?) => {
        /// The scenarios that come with GhostNet: name and text.
        pub(crate) const BUILT_IN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../tests/scenarios/", $name, ".yaml")))),+];
    };
}

scenarios![
    "alarm-storm",
    "black-friday",
    "both-sides-die",
    "by-name",
    "capacity-famine",
    "clock-jump",
    "cold-standby-famine",
    "drill",
    "failback",
    "flapping-side",
    "lambda-killed",
    "metric-outage",
    "metric-outage-standby",
    "never-healthy-image",
    "nobody-serves",
    "one-bad-check",
    "sharer-dies",
    "side-dies",
    "side-never-well",
    "single-writer",
    "slow-death",
    "spot-famine",
    "spot-reclaim",
    "target-swap",
    "throttled-account",
    "weights-by-hand",
    "zone-loss",
];

/// The scenario of this name, or in this file.
///
/// # Errors
/// There is none, or it cannot be read.
pub(crate) fn find(name: &str) -> Result<Scenario, Failure> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return read(name, text);
    }
    let path = Path::new(name);
    if path.exists() {
        let text = fs::read_to_string(path).map_err(|source| Failure::Read {
            path: path.to_owned(),
            source,
        })?;
        return read(name, &text);
    }
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    let meant = nearest(name, &names)
        .map(|meant| format!("; did you mean `{meant}`?"))
        .unwrap_or_default();
    Err(Failure::Argument(format!("there is no scenario `{name}`{meant}")))
}

fn read(name: &str, text: &str) -> Result<Scenario, Failure> {
    let value = spec_file::data(name, text)?;
    serde_json::from_value(value).map_err(|error| Failure::Argument(format!("scenario `{name}`: {error}")))
}

#[cfg(test)]
mod tests {
    use ghostnet_sim::scenario::play;

    use super::*;

    #[test]
    fn every_scenario_of_the_folder_is_built_in_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios");
        let Ok(files) = fs::read_dir(folder) else {
            panic!("{folder} cannot be read")
        };
        let mut names: Vec<String> = files
            .flatten()
            .map(|file| file.file_name().to_string_lossy().trim_end_matches(".yaml").to_owned())
            .collect();
        names.sort();
        assert_eq!(names, BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for name in names {
            assert_eq!(find(&name).map(|scenario| scenario.name).ok(), Some(name));
        }
    }

    #[test]
    fn every_scenario_comes_out_as_it_says() {
        for (name, text) in BUILT_IN {
            let played = read(name, text).map(|scenario| play(&scenario));
            let Ok(Ok(played)) = played else { panic!("{name}: {played:?}") };
            let wrong: Vec<_> = played
                .expectations
                .iter()
                .filter_map(|(expectation, wrong)| Some((&expectation.says, wrong.as_ref()?)))
                .collect();
            assert_eq!((wrong, &played.violations), (Vec::new(), &Vec::new()), "{name}");
            let never: Vec<_> = played.struck.iter().filter(|(_, times)| **times == 0).collect();
            assert!(never.is_empty(), "{name}: {never:?} never struck");
        }
    }

    #[test]
    fn no_scenario_comes_out_well_without_ghostnet() {
        for (name, text) in BUILT_IN {
            let played = read(name, text).map(|scenario| play(&scenario.abandoned()));
            let Ok(Ok(played)) = played else { panic!("{name}: {played:?}") };
            let mut asked = played
                .expectations
                .iter()
                .filter(|(expectation, _)| expectation.check.asks_of_ghostnet());
            assert!(asked.any(|(_, wrong)| wrong.is_some()), "{name} asks nothing");
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_with_the_nearest() {
        let message = find("zone-los").map(|_| ()).map_err(|failure| failure.to_string());
        assert_eq!(
            message,
            Err("there is no scenario `zone-los`; did you mean `zone-loss`?".to_owned())
        );
    }
}
