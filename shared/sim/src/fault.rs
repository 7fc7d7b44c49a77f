//! What can go wrong, one kind per name, each with its own stream of chance.
//!
//! The seed decides which kinds exist in a run and how violent they are. After the storm all of them cease.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::chance::Chance;

macro_rules! faults {
    ($($(#[$doc:meta])* $kind:ident $name:literal $share:literal;)+) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $kind,)+
        }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Its name on the command line and in logs.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// How many times in ten thousand it strikes at violence 1, of the port calls, minutes, events or instances at which
            /// its chance is drawn.
            fn share(self) -> u32 {
                match self { $(Self::$kind => $share,)+ }
            }
        }
    };
}

faults! {
    /// An invocation dies before a call leaves it.
    KillBefore "kill-before" 10;
    /// An invocation dies after a call took effect, before its answer.
    KillAfter "kill-after" 10;
    /// A call takes no effect and gets no answer.
    LostRequest "lost-request" 15;
    /// A call takes effect and its answer is lost.
    LostReply "lost-reply" 15;
    /// A call gets no answer, and takes effect afterwards.
    LateLanding "late-landing" 15;
    /// The SDK sends a call twice because the first answer was lost; the invocation sees the second answer.
    SdkRetry "sdk-retry" 20;
    /// A call takes many seconds.
    SlowCall "slow-call" 20;
    /// AWS answers with an internal error.
    ServerError "server-error" 20;
    /// Somebody else empties the API's token buckets.
    Throttle "throttle" 150;
    /// EC2's list shows a launch, or a termination, only after minutes; a call that names a new instance finds it later still.
    ListLag "list-lag" 600;
    /// Fewer instances are launched than asked for.
    PartialLaunch "partial-launch" 500;
    /// A capacity pool runs dry for a while.
    DryPool "dry-pool" 150;
    /// The account's quota is reached for a while.
    Quota "quota" 60;
    /// An instance takes many minutes to boot.
    SlowBoot "slow-boot" 300;
    /// An image that never becomes healthy is launched for a while.
    BadImage "bad-image" 30;
    /// A serving instance becomes sick.
    Sick "sick" 150;
    /// A zone fails: its instances fail their checks and nothing can be launched there.
    ZoneLoss "zone-loss" 20;
    /// Somebody stops an instance by hand.
    StoppedByHand "stopped-by-hand" 40;
    /// Somebody terminates an instance by hand.
    TerminatedByHand "terminated-by-hand" 60;
    /// Spot takes an instance two minutes after a notice.
    SpotReclaim "spot-reclaim" 150;
    /// Spot takes an instance without a notice that arrives.
    SpotNoNotice "spot-no-notice" 60;
    /// A rebalance hint that never comes true.
    RebalanceHint "rebalance-hint" 100;
    /// AWS announces that it will retire an instance within the hour.
    Retirement "retirement" 40;
    /// Datapoints arrive minutes late.
    MetricLate "metric-late" 800;
    /// Datapoints never arrive.
    MetricMissing "metric-missing" 500;
    /// Some instances publish nothing.
    MetricPartial "metric-partial" 500;
    /// CloudWatch answers a query with an error of its own.
    MetricFailed "metric-failed" 300;
    /// An event is delivered several times.
    EventTwice "event-twice" 1_000;
    /// An event is delivered minutes or hours late, and so out of order.
    EventLate "event-late" 1_000;
    /// An event is never delivered.
    EventLost "event-lost" 1_000;
    /// A minute passes without a tick.
    TickSkipped "tick-skipped" 300;
    /// A minute has two ticks.
    TickTwice "tick-twice" 300;
    /// A sandbox's clock is off by seconds.
    ClockSkew "clock-skew" 2_000;
    /// A sandbox's clock is off by an hour.
    ClockJump "clock-jump" 50;
    /// Another installation has a fleet of the same name in the same account.
    ForeignInstallation "foreign-installation" 80;
    /// Somebody registers other targets in the fleet's group.
    ForeignTarget "foreign-target" 80;
    /// Somebody sets an attribute of a fleet's group.
    ForeignAttribute "foreign-attribute" 80;
    /// Somebody launches "one more like this" by hand: the tags are copied.
    HandLaunched "hand-launched" 40;
    /// The table is restored from an older point in time.
    TableRestored "table-restored" 8;
    /// An operator pauses the fleet, and resumes it or lets it expire.
    Paused "paused" 30;
    /// The owner applies other bounds.
    SpecChanged "spec-changed" 40;
    /// The launch template gets another default version, and the owner applies again.
    NewTemplate "new-template" 30;
    /// An operator asks for a refresh, pauses it, or cancels it.
    Refresh "refresh" 60;
    /// An operator hands an instance over that runs elsewhere.
    HandedOver "handed-over" 40;
    /// The load multiplies for a while.
    LoadSpike "load-spike" 100;
    /// An operator asks for a size for a while, or gives one up.
    OperatorSize "operator-size" 60;
    /// Failover moves traffic to another pool, or asks for fewest instances in one: the epoch moves under whoever decides.
    TrafficMoved "traffic-moved" 60;
    /// The status checks of an instance fail for a while.
    Impaired "impaired" 60;
    /// An instance writes no heartbeat for a while.
    SilentWorker "silent-worker" 60;
    /// Somebody shifts the balancer's traffic away from a zone for a while.
    ZonalShift "zonal-shift" 30;
    /// Somebody registers others in the fleet's Cloud Map service, or one of the fleet's own instances.
    ForeignRegistration "foreign-registration" 80;
    /// Cloud Map takes minutes for a registration.
    MapLag "map-lag" 1_000;
    /// Cloud Map's list shows what was a minute ago.
    MapStale "map-stale" 100;
    /// Cloud Map's list cannot be read for minutes.
    MapUnreadable "map-unreadable" 60;
    /// A capacity reservation is made larger or smaller, or is cancelled for a while.
    Reservation "reservation" 150;
    /// Everything of one side of a failover fails at once.
    SideDown "side-down" 60;
    /// One side of a failover answers so slowly for a while that nobody can work with it, and passes its checks.
    SlowSide "slow-side" 60;
    /// Somebody sets the weights of a rule by hand.
    ForeignRouting "foreign-routing" 30;
    /// An operator moves traffic, or asks for it back.
    OperatorMoves "operator-moves" 40;
    /// An operator has a zone left for a while, or used again.
    Evacuation "evacuation" 40;
    /// Somebody protects an instance for a while.
    Protected "protected" 80;
    /// The owner applies another mode, or the usual one again.
    ModeChanged "mode-changed" 30;
    /// Launches are refused for a while for a reason that a person must mend.
    LaunchDenied "launch-denied" 20;
    /// The subnets of a zone have no free address for a while.
    SubnetFull "subnet-full" 60;
    /// The jobs of an instance fail for a while, and it passes every check.
    FailingJobs "failing-jobs" 60;
    /// Nothing in one of the regions of a fleet answers for a while, and half of the time its instances fail with it.
    RegionSilent "region-silent" 30;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no fault of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{0}`")]
pub struct NoSuchFault(pub String);

impl FromStr for Fault {
    type Err = NoSuchFault;
    fn from_str(name: &str) -> Result<Self, NoSuchFault> {
        let known = Self::ALL.iter().copied().find(|fault| fault.name() == name);
        known.ok_or_else(|| NoSuchFault(name.to_owned()))
    }
}

/// The faults of one run.
#[derive(Debug)]
pub struct Faults {
    /// By place in [`Fault::ALL`]; none: this kind does not exist in this run.
    kinds: Vec<Option<Source>>,
    raging: bool,
}

#[derive(Debug)]
struct Source {
    chance: Chance,
    share: u32,
    struck: u64,
}

/// Every subject but the faults draws from streams below this one.
const FIRST_STREAM: u64 = 1_000;
/// A kind exists in one of so many runs.
const ONE_RUN_IN: u32 = 3;

impl Faults {
    /// The kinds that this seed draws, each with a violence of 1 to 8.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self::choose(seed, |chance| chance.once_in(ONE_RUN_IN).then(|| chance.count(1, 8)))
    }

    /// Of the kinds that this seed draws only these: what is left behaves as it did.
    #[must_use]
    pub fn only(seed: u64, kept: &BTreeSet<Fault>) -> Self {
        let mut faults = Self::of(seed);
        for (fault, source) in Fault::ALL.iter().zip(&mut faults.kinds) {
            if !kept.contains(fault) {
                *source = None;
            }
        }
        faults
    }

    /// Exactly these kinds, each with its violence.
    #[must_use]
    pub fn exactly(seed: u64, violence: &BTreeMap<Fault, u32>) -> Self {
        let mut faults = Self::choose(seed, |_| None);
        for (place, (fault, source)) in Fault::ALL.iter().zip(&mut faults.kinds).enumerate() {
            if let Some(violence) = violence.get(fault) {
                *source = Some(Source::of(seed, place, *fault, *violence));
            }
        }
        faults
    }

    fn choose(seed: u64, mut violence: impl FnMut(&mut Chance) -> Option<u32>) -> Self {
        let mut chance = Chance::of(seed, FIRST_STREAM - 1);
        let kinds = Fault::ALL
            .iter()
            .enumerate()
            .map(|(place, fault)| violence(&mut chance).map(|violence| Source::of(seed, place, *fault, violence)))
            .collect();
        Self { kinds, raging: true }
    }

    /// From now on these kinds strike so many times in a hundred, and the others never. Kinds that do not exist stay so.
    pub fn strike_at(&mut self, percent: &BTreeMap<Fault, u32>) {
        for (fault, source) in Fault::ALL.iter().zip(&mut self.kinds) {
            if let Some(source) = source {
                source.share = percent.get(fault).map_or(0, |percent| percent.saturating_mul(100));
            }
        }
    }

    /// The kinds that exist.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<Fault> {
        let present = Fault::ALL.iter().zip(&self.kinds).filter(|(_, source)| source.is_some());
        present.map(|(fault, _)| *fault).collect()
    }

    /// From now on nothing strikes any more.
    pub fn calm(&mut self) {
        self.raging = false;
    }

    /// Whether the storm goes on.
    #[must_use]
    pub fn rages(&self) -> bool {
        self.raging
    }

    /// Whether a fault strikes now. Draws from its own stream only.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        if !self.raging {
            return false;
        }
        let Some(source) = self.source(fault) else { return false };
        let strikes = source.chance.in_ten_thousand(source.share);
        source.struck += u64::from(strikes);
        strikes
    }

    /// The chance of a fault's details: how late, which instance. None if the kind does not exist.
    pub fn chance(&mut self, fault: Fault) -> Option<&mut Chance> {
        self.source(fault).map(|source| &mut source.chance)
    }

    /// How often each kind struck.
    #[must_use]
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        let present = Fault::ALL.iter().zip(&self.kinds);
        present
            .filter_map(|(fault, source)| Some((*fault, source.as_ref()?.struck)))
            .collect()
    }

    fn source(&mut self, fault: Fault) -> Option<&mut Source> {
        self.kinds.get_mut(fault as usize)?.as_mut()
    }
}

impl Source {
    fn of(seed: u64, place: usize, fault: Fault, violence: u32) -> Self {
        let stream = FIRST_STREAM.saturating_add(u64::try_from(place).unwrap_or(u64::MAX));
        Self {
            chance: Chance::of(seed, stream),
            share: fault.share().saturating_mul(violence),
            struck: 0,
        }
    }
}
