"""The pytest plugin. Imports lamina only when a test asks for it.

from lamina_pytest import parametrize_with_checks

@parametrize_with_checks([MyLayer, lambda: Other(units=3), (Third, {"units": 2}, sample)])
def test_layer(layer_check):
    layer_check()
"""

from lamina_pytest._parametrize import parametrize_with_checks

__all__ = ["parametrize_with_checks"]
