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
    pub(crate) listed: Vec<(Region, Vec<ListedInstance>)>,
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

/// Lists the instances of all fleets where there are other regions to ask, and says which of them are silent: what else is asked depends on
/// that. None: there are none, and nobody waits for it.
pub(crate) async fn first<C: Compute>(
    compute: &C,
    invocation: &Invocation,
    regions: &BTreeSet<&Region>,
) -> (Option<Listing>, BTreeSet<Region>) {
    if regions.len() < 2 {
        return (None, BTreeSet::new());
    }
    let listing = list(compute, invocation, regions).await;
    let silent = listing.silent.clone();
    (Some(listing), silent)
}

/// What was listed first, or the list of now.
pub(crate) async fn or_now<C: Compute>(
    first: Option<Listing>,
    compute: &C,
    invocation: &Invocation,
    regions: &BTreeSet<&Region>,
) -> Listing {
    match first {
        Some(listing) => listing,
        None => list(compute, invocation, regions).await,
    }
}

/// Lists the instances of all fleets.
async fn list<C: Compute>(compute: &C, invocation: &Invocation, regions: &BTreeSet<&Region>) -> Listing {
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
            Ok(listed) => listing.listed.push((region, listed)),
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
