"""A pretend cluster for the plan: it carries plans out and lets things happen to pods. Time is its own."""

from lwm_operator.plan.actions import Plan
from simulation.queue import Queue


class World(Queue):
    """With one operator that is never in the middle of something; `passes` is about those that are."""

    def plan(self) -> Plan:
        return self.planner(self.training, self.observed(), self.now)

    def reconcile(self, *, crash_before_actions: bool = False) -> Plan:
        """Plan, write the status, act: or die in between."""
        decided = self.plan()
        if decided.status != self.training.status:
            self.write(decided.status)
        for action in () if crash_before_actions else decided.actions:
            self.carry_out(action, self.training.spec)
        return decided
