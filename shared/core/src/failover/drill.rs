//! Drills: whether one may begin, what ends it, and what came of it.
//!
//! A drill is a real move, through the same gate and by the same calls as a failover, with nothing wrong. So it begins only while
//! everything that is known speaks for it, and what is not known speaks against it; and it ends at the first sign that it does harm.

use jiff::Timestamp;

use super::TrafficRequest;
use super::draft::Draft;
use super::finding::{Refusal, TrafficFinding};
use super::prepare::PREPARES_FOR;
use crate::id::{AlarmName, PoolId};
use crate::policy::count_ceil;
use crate::sample::{Sample, Series};
use crate::signal::AlarmState;
use crate::state::{AtRisk, Drill, DrillEnd, DrillOutcome, Shift, ShiftReason, SignalKind, Stage};
use crate::unit::Seconds;

/// Who begins a drill that nobody asked for.
const BY_SCHEDULE: &str = "schedule";

impl Draft<'_> {
    /// An operator asks for one.
    pub(super) fn hear_drill(&mut self, request: &TrafficRequest) {
        match self.drill_to() {
            Ok(to) => self.begin_drill(to, request.by.clone(), request.reason.clone()),
            Err(why) => self.refuse(why),
        }
    }

    /// The spec asks for one in each of its windows.
    pub(super) fn drill_by_schedule(&mut self) {
        let now = self.situation.now;
        let schedule = self.situation.failover.drill.as_ref().and_then(|drill| drill.schedule.as_ref());
        let Some(window) = schedule.and_then(|schedule| schedule.open_window(now)) else {
            return;
        };
        if self.state.drill.as_ref().is_some_and(|last| window.since <= last.begun_at) {
            return;
        }
        match self.drill_to() {
            Ok(to) => self.begin_drill(to, BY_SCHEDULE.to_owned(), "a window for drills is open".to_owned()),
            // what is left of the window is too short: it was told before
            Err(Refusal::NoDrillNow) => {}
            Err(why) => self.findings.push(TrafficFinding::DrillWaits { why }),
        }
    }

    /// Where a drill would move the traffic, if it may begin now.
    fn drill_to(&self) -> Result<PoolId, Refusal> {
        let situation = self.situation;
        let now = situation.now;
        let drill = situation.failover.drill.as_ref().ok_or(Refusal::NoDrill)?;
        let over = drill.lasts.after(now);
        let is_open = |schedule: &crate::spec::Schedule| schedule.open_window(now).is_some_and(|window| over <= window.until);
        if !drill.schedule.as_ref().is_none_or(is_open) {
            return Err(Refusal::NoDrillNow);
        }
        let dwell = situation.failover.dwell;
        let rests_until = self.state.moved.as_ref().map(|moved| dwell.after(moved.at));
        if let Some(until) = rests_until.filter(|until| now < *until) {
            return Err(Refusal::MovedLately { until });
        }
        for alarm in drill.alarms() {
            match situation.observation.alarms.get(alarm) {
                Some(AlarmState::Ok) => {}
                Some(AlarmState::Alarm) => return Err(Refusal::DrillBlocked { alarm: alarm.clone() }),
                Some(AlarmState::InsufficientData) | None => return Err(Refusal::AlarmUnknown { alarm: alarm.clone() }),
            }
        }
        let active = &self.state.active;
        let is_well = |pool: &PoolId| self.state.sides.get(pool).is_some_and(|side| side.armed && side.seen.is_empty());
        if !is_well(active) {
            return Err(Refusal::NotWell { pool: active.clone() });
        }
        let (to, readiness) = self.best_but(active).ok_or(Refusal::NoDrill)?;
        if !readiness.can_be_forced() {
            return Err(self.cannot_reach(to));
        }
        let speaks = self.state.sides.get(&to).is_some_and(|side| !side.seen.is_empty());
        if speaks || !readiness.down_by.is_empty() {
            return Err(Refusal::NotWell { pool: to });
        }
        Ok(to)
    }

    fn begin_drill(&mut self, to: PoolId, by: String, reason: String) {
        self.state.drill = Some(Drill {
            by: by.clone(),
            reason: reason.clone(),
            begun_at: self.situation.now,
            from: self.state.active.clone(),
            to: to.clone(),
            moved_at: None,
            ended: None,
            back_at: None,
            sets_since: None,
            at_risk: AtRisk::default(),
        });
        self.begin(to, ShiftReason::Drill { by, reason });
    }

    /// Whether a drill's traffic is where it was to go.
    pub(super) fn is_drilling(&self) -> bool {
        let is_there = |drill: &Drill| drill.is_running() && drill.to == self.state.active;
        let moved = self.state.moved.as_ref();
        self.state.drill.as_ref().is_some_and(is_there) && moved.is_some_and(|moved| matches!(moved.why, ShiftReason::Drill { .. }))
    }

    /// Whether a drill whose traffic is there goes on. `down_by`: the kinds of signal that say that the side is down.
    pub(super) fn watch_drill(&mut self, down_by: Vec<SignalKind>) {
        let Some(drill) = self.state.drill.clone() else { return };
        let Some(why) = self.outcome(&drill, down_by) else { return };
        // told once, however long the way back is barred
        if drill.ended.is_none() {
            self.findings.push(TrafficFinding::DrillEnds { why: why.clone() });
            let at = self.situation.now;
            if let Some(drill) = &mut self.state.drill {
                drill.ended = Some(DrillEnd { at, why: why.clone() });
            }
        }
        let back = self.readiness(&drill.to, &drill.from);
        // while the other side is ill this one keeps the traffic, and is watched as ever
        if back.is_some_and(|readiness| readiness.can_be_forced()) && !self.gave_up_lately() && self.may_take_back(&drill.from) {
            self.begin(drill.from, ShiftReason::DrillOver { why });
        }
    }

    /// Whether a side may take back what a drill took from it. One kind of signal bars it for a time and not for ever: an alarm that
    /// watches the traffic of a side without any may never change its mind.
    pub(super) fn may_take_back(&self, pool: &PoolId) -> bool {
        let ended = self.state.drill.as_ref().and_then(|drill| drill.ended.as_ref());
        let is_late = ended.is_some_and(|end| self.situation.now >= PREPARES_FOR.after(end.at));
        self.is_well(pool) || is_late && !self.is_down(pool) && self.anybody_answers(pool) == Some(true)
    }

    fn outcome(&self, drill: &Drill, down_by: Vec<SignalKind>) -> Option<DrillOutcome> {
        let spec = self.situation.failover.drill.as_ref();
        let alarms = &self.situation.observation.alarms;
        let fires = |alarm: &&AlarmName| alarms.get(*alarm) == Some(&AlarmState::Alarm);
        let alarm = spec.and_then(|spec| spec.end_alarms.iter().find(fires));
        let is_over = |moved_at: Timestamp| spec.is_none_or(|spec| self.situation.now >= spec.lasts.after(moved_at));
        if let Some(end) = &drill.ended {
            // it has ended, and the way back was called off
            return Some(end.why.clone());
        }
        if !down_by.is_empty() {
            return Some(DrillOutcome::Ill { by: down_by });
        }
        if let Some(alarm) = alarm {
            return Some(DrillOutcome::Alarm { alarm: alarm.clone() });
        }
        drill.moved_at.is_some_and(is_over).then_some(DrillOutcome::Passed)
    }

    /// Keeps the account of the drill that is under way, after everything else was decided.
    pub(super) fn account_of_drill(&mut self) {
        let Some(mut drill) = self.state.drill.clone().filter(Drill::is_running) else {
            return;
        };
        let at = self.situation.now;
        let moved = self.state.moved.as_ref().filter(|moved| drill.begun_at <= moved.at);
        let on_its_way = self.state.shift.as_ref().map(|shift| &shift.why);
        match (on_its_way, moved.map(|moved| (&moved.why, moved.at))) {
            _ if self.state.degraded.is_some() => drill.end(at, DrillOutcome::Overtaken),
            (Some(ShiftReason::Drill { .. }), _) => {}
            (Some(ShiftReason::DrillOver { why }), _) => {
                drill.ended.get_or_insert_with(|| DrillEnd { at, why: why.clone() });
            }
            (None, Some((ShiftReason::Drill { .. }, moved_at))) => drill.moved_at = Some(moved_at),
            (None, Some((ShiftReason::DrillOver { .. }, back_at))) => drill.back_at = Some(back_at),
            (None, None) => drill.end(at, DrillOutcome::NeverMoved),
            (Some(_), None) if drill.moved_at.is_none() => drill.end(at, DrillOutcome::NeverMoved),
            (Some(_) | None, _) => drill.end(at, DrillOutcome::Overtaken),
        }
        self.note_risk(&mut drill);
        self.state.drill = Some(drill);
    }

    /// Counts the requests that come while the weights are being set.
    fn note_risk(&self, drill: &mut Drill) {
        let of_drill = |shift: &&Shift| matches!(shift.why, ShiftReason::Drill { .. } | ShiftReason::DrillOver { .. });
        let shift = self.state.shift.as_ref().filter(of_drill);
        if shift.is_some_and(|shift| matches!(shift.stage, Stage::Moving { .. })) {
            drill.sets_since.get_or_insert(self.situation.now);
            return;
        }
        let Some(since) = drill.sets_since.take().filter(|_| shift.is_none()) else {
            return;
        };
        let came = self.requests_in(Seconds::between(since, self.situation.now));
        if drill.back_at.is_some() {
            drill.at_risk.back = came;
        } else if drill.moved_at.is_some() {
            drill.at_risk.there = came;
        }
    }

    /// Requests to all sides together in this time, rounded up, by the last minute that is known of each side of which one is.
    fn requests_in(&self, time: Seconds) -> Option<u64> {
        let now = self.situation.now;
        let rate = |series: &Series| match series.sample(now) {
            Sample::Value { value, .. } => Some(u64::from(count_ceil(value.get()))),
            Sample::Partial { .. } | Sample::Stale { .. } | Sample::Missing | Sample::NotAsked => None,
        };
        let rates: Vec<u64> = self.situation.observation.requests.values().filter_map(rate).collect();
        let a_minute = rates.iter().copied().fold(0, u64::saturating_add);
        let came = a_minute.saturating_mul(u64::from(time.0)).div_ceil(60);
        (!rates.is_empty()).then_some(came)
    }
}

impl Drill {
    fn end(&mut self, at: Timestamp, why: DrillOutcome) {
        self.ended = Some(DrillEnd { at, why });
    }
}
