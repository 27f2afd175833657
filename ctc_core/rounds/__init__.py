"""Rounds of relabelling: choose cells, have them read, fit again, compare, decide. From evidence in the store to a
classifier that a person may put in use."""

from ctc_core.rounds.expert import simulated_expert
from ctc_core.rounds.noise import reject_new
from ctc_core.rounds.past import Replay, activate, replay
from ctc_core.rounds.propose import Proposal, propose, start_round
from ctc_core.rounds.refit import finish_here, finishing, request_finish
from ctc_core.rounds.situation import left_to_ask

__all__ = [
    "Proposal",
    "Replay",
    "activate",
    "finish_here",
    "finishing",
    "left_to_ask",
    "propose",
    "reject_new",
    "replay",
    "request_finish",
    "simulated_expert",
    "start_round",
]
