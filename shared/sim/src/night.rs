//! What a night finds of fleets that are tuned. This world keeps no fortnight to play, so that it is anything at all: decisions are safe
//! by whatever was found.

use ghostnet_core::tuning::{Came, Found, Objective, Settings, Tuned};
use ghostnet_core::unit::{Finite, Moment, Percent, Seconds};

use crate::chance::Chance;
use crate::clock::at;
use crate::world::World;

const HOLDS: [Seconds; 4] = [Seconds(0), Seconds::minutes(3), Seconds::minutes(10), Seconds::minutes(20)];

impl World {
    /// Other settings are found for the pools of fleets that are tuned.
    pub(crate) fn night(&mut self) {
        let now = at(self.now);
        for (id, fleet) in self.fleets.iter().filter(|(_, fleet)| fleet.spec.tuning.is_some()) {
            let Some(items) = self.table.fleets.get_mut(id) else { continue };
            let mut forecast = items.forecast.clone().unwrap_or_default();
            for pool in &fleet.spec.pools {
                let Some(written) = Settings::of(pool) else { continue };
                let tuned = any(&mut self.chance, written);
                self.log.line(self.now, || {
                    format!("a night finds {} for pool {} of {id}", tuned.settings, pool.id)
                });
                forecast.found.insert(pool.id.clone(), found(tuned, Moment::from(now)));
            }
            forecast.version = forecast.version.saturating_add(1);
            items.keep_forecast(&forecast);
        }
    }
}

/// Now and then it was found for something that is written no more.
fn any(chance: &mut Chance, written: Settings) -> Tuned {
    let caution = chance.pick(&[2.0, 8.0, 48.0]).copied().and_then(Finite::new);
    let used = chance.pick(&[Percent(50), Percent(65), Percent(80)]).copied();
    let settings = Settings {
        caution: caution.unwrap_or(written.caution),
        hold: chance.pick(&HOLDS).copied().unwrap_or(written.hold),
        usual: chance.pick(&[None, Some(Percent(70)), Some(Percent(95))]).copied().flatten(),
        utilisation: written.utilisation.and(used),
    };
    let of_another = Settings {
        hold: Seconds(written.hold.0.saturating_add(60)),
        ..written
    };
    Tuned {
        settings,
        instead_of: if chance.once_in(6) { of_another } else { written },
    }
}

fn found(tuned: Tuned, at: Moment) -> Found {
    let came = Came {
        instance_hours_per_day: 24.0,
        over_percent: 0.0,
    };
    Found {
        tuned,
        at,
        objective: Objective { used: 0.9, percent: 1.0 },
        days: 14,
        written: came,
        found: came,
    }
}
