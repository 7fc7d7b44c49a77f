//! The instances of all regions at hand: a region that does not answer hides no other.

use std::collections::BTreeSet;

use ghostnet_core::id::{PoolId, Region};

use crate::error::ErrorClass;
use crate::invocation::Invocation;
use crate::load::Fleet;
use crate::port::{Compute, ListedInstance};
use crate::regions::at_once;

/// What EC2 lists of the installation.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// By the regions that answered.
    pub(crate) listed: Vec<ListedInstance>,
    /// The regions that did not.
    pub(crate) unread: BTreeSet<Region>,
    /// Those of them, but for the installation's own, where nobody answered at all: nothing else is asked there in this look, because each
    /// call would wait as long, and other fleets with it.
    pub(crate) silent: BTreeSet<Region>,
}

impl Listing {
    /// The pools of a fleet whose region did not answer; none: no pool of it is in one that did.
    pub(crate) fn unlisted(&self, invocation: &Invocation, fleet: &Fleet) -> Option<BTreeSet<PoolId>> {
        let pools = fleet.spec.pools.iter();
        let unread = pools.filter(|pool| self.unread.contains(pool.region_or(&invocation.region)));
        let unread: BTreeSet<PoolId> = unread.map(|pool| pool.id.clone()).collect();
        (unread.len() < fleet.spec.pools.len()).then_some(unread)
    }
}

/// Lists the instances of all fleets where there are other regions to ask: what else is asked depends on who answers. None: there are none.
pub(crate) async fn first<C: Compute>(compute: &C, invocation: &Invocation, regions: &BTreeSet<&Region>) -> Option<Listing> {
    if regions.len() < 2 {
        return None;
    }
    Some(list(compute, invocation, regions).await)
}

/// Lists the instances of all fleets.
pub(crate) async fn list<C: Compute>(compute: &C, invocation: &Invocation, regions: &BTreeSet<&Region>) -> Listing {
    let ask = |region: &Region| {
        let region = region.clone();
        async move {
            let listed = compute.instances(&region, &invocation.installation).await;
            (region, listed)
        }
    };
    let mut listing = Listing::default();
    for (region, listed) in at_once(regions.iter().map(|region| ask(region)).collect()).await {
        match listed {
            Ok(listed) => listing.listed.extend(listed),
            Err(error) => {
                tracing::warn!(%error, %region, "instances are unknown");
                if error.class == ErrorClass::Transient && region != invocation.region {
                    listing.silent.insert(region.clone());
                }
                listing.unread.insert(region);
            }
        }
    }
    listing
}
