"""One test a layer and contract."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def parametrize_with_checks(
    layers: Iterable[Any],
    *,
    expected_failures: Mapping[str, str] | Callable[[Any], Mapping[str, str]] | None = None,
    contracts: str | Iterable[str] | None = None,
) -> "pytest.MarkDecorator":
    """Decorates a test that takes `layer_check` and calls it: one test a layer and contract.

    Args:
        layers: Each a layer class, a factory or an instance; or a tuple of it, its constructor
            arguments, a sample of inputs and its traits, as many of them as there are.
        expected_failures: `{contract id: reason}`, or a function of the layer that gives it. One
            that starts to pass fails its test.
        contracts: As in `lamina.check`: ids, groups, or `"fast"`.
    """
    import pytest

    cases = []
    for number, given in enumerate(layers):
        target, kwargs, inputs, traits = (*_as_tuple(given), None, None, None)[:4]
        known = expected_failures(target) if callable(expected_failures) else expected_failures
        for contract in _ids(contracts):
            check = LayerCheck(target, kwargs, inputs, traits, contract, dict(known or {}))
            cases.append(pytest.param(check, id=f"{_name(target, number)}-{contract}"))
    return pytest.mark.parametrize("layer_check", cases)


def _as_tuple(given):
    return given if isinstance(given, tuple) else (given,)


def _name(target, number):
    name = getattr(target, "__name__", None) or type(target).__name__
    return f"layer{number}" if name == "<lambda>" else name


def _ids(contracts):
    from lamina.contracts import select

    # A layer may be a cell, which is not known before it is made; what does not apply is skipped.
    return [c.id for c in select(contracts, "cell")]


class LayerCheck:
    """One contract of one layer, to be called by a test."""

    def __init__(
        self,
        target: Any,
        kwargs: Mapping[str, Any] | None,
        inputs: Any,
        traits: Mapping[str, Any] | None,
        contract: str,
        expected: Mapping[str, str],
    ) -> None:
        self.target, self.kwargs, self.inputs = target, kwargs, inputs
        self.traits, self.contract, self.expected = traits, contract, expected

    def __call__(self) -> None:
        """Fails or skips the test; returns where the contract is kept."""
        import pytest

        from lamina import check

        reason = self.expected.get(self.contract)
        report = check(
            self.target,
            self.inputs,
            kwargs=self.kwargs,
            traits=self.traits,
            contracts=[self.contract],
            expected_failures={self.contract: reason} if reason else None,
        )
        for result in report.results:
            if result.status == "expected":
                pytest.xfail(result.message)
            if result.status == "skipped":
                pytest.skip(result.message)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        if not report.results:
            pytest.skip("it does not apply to this layer")
