"""One test a layer and contract."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


HOW = "repair: give constructor arguments, a sample and traits: (Layer, {...}, x, {...})"


def parametrize_with_checks(
    layers: Iterable[Any],
    *,
    expected_failures: Mapping[str, Any] | Callable[[Any], Mapping[str, str]] | None = None,
    contracts: str | Iterable[str] | None = None,
) -> "pytest.MarkDecorator":
    """Decorates a test that takes `layer_check` and calls it: one test a layer and contract.

    Args:
        layers: Each a layer class, a factory or an instance; or a tuple of it, its constructor
            arguments, a sample of inputs and its traits, as many of them as there are.
        expected_failures: `{layer's name: {contract id: reason}}`; `{contract id: reason}`, for
            all of them; or a function of the layer that gives it. One that starts to pass fails
            its test.
        contracts: As in `lamina.check`: ids, groups, or `"fast"`.
    """
    import pytest

    cases = []
    for number, given in enumerate(layers):
        target, kwargs, inputs, traits = (*_as_tuple(given), None, None, None)[:4]
        known = _known(expected_failures, target, _name(target, number))
        for contract in _ids(contracts):
            check = LayerCheck(target, kwargs, inputs, traits, contract, known)
            cases.append(pytest.param(check, id=f"{_name(target, number)}-{contract}"))
    return pytest.mark.parametrize("layer_check", cases)


def _known(expected: Any, target: Any, name: str) -> dict[str, str]:
    """The expected failures of one layer."""
    given: Any = expected(target) if callable(expected) else expected
    known: dict[str, Any] = dict(given or {})
    per_layer = any(isinstance(value, Mapping) for value in known.values())
    return dict(known.get(name, {})) if per_layer else known


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

        from lamina import CheckError, check

        reason = self.expected.get(self.contract)
        try:
            report = check(
                self.target,
                self.inputs,
                kwargs=self.kwargs,
                traits=self.traits,
                contracts=[self.contract],
                expected_failures={self.contract: reason} if reason else None,
            )
        except CheckError as error:
            # Three lines, not a traceback through the checker for each contract.
            pytest.fail(f"{error}\nno contract can be asked\n{HOW}", pytrace=False)
        for result in report.results:
            if result.status == "expected":
                pytest.xfail(result.message)
            if result.status == "skipped":
                pytest.skip(result.message)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        if not report.results:
            pytest.skip("it does not apply to this layer")
