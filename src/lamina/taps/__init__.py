"""Taps: what happens inside a network, for losses and for looking."""

from lamina.taps._adversarial import Adversarial
from lamina.taps._capture import capture
from lamina.taps._feature_matching_loss import FeatureMatchingLoss
from lamina.taps._gram_loss import GramLoss
from lamina.taps._input_gradient import input_gradient
from lamina.taps._intermediate_output import IntermediateOutput
from lamina.taps._perceptual_loss import PerceptualLoss
from lamina.taps._state import frozen, isolated
from lamina.taps._tap import Tap
from lamina.taps._tap_cell import TapCell, split_taps
from lamina.taps._tap_gradients import tap_gradients
from lamina.taps._tap_names import TapName, tap_names
from lamina.taps._tap_summary import TapSummary, tap_summary
from lamina.taps._tapped import Tapped

# The name of the article.
IntermediateOutputLayer = IntermediateOutput

__all__ = [
    "Adversarial",
    "FeatureMatchingLoss",
    "GramLoss",
    "IntermediateOutput",
    "IntermediateOutputLayer",
    "PerceptualLoss",
    "Tap",
    "TapCell",
    "TapName",
    "TapSummary",
    "Tapped",
    "capture",
    "frozen",
    "input_gradient",
    "isolated",
    "split_taps",
    "tap_gradients",
    "tap_names",
    "tap_summary",
]
