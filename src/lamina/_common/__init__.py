"""What the families share. Depends on nothing but Keras and NumPy; private to lamina."""

from lamina._common._arrays import to_numpy
from lamina._common._backend import branch, is_concrete, is_exporting
from lamina._common._causal import Causal, Stateless
from lamina._common._checks import (
    choice,
    integer,
    invalid,
    is_integer,
    number,
    positive_integer,
    received,
    received_text,
)
from lamina._common._gradient import gradient
from lamina._common._registration import register
from lamina._common._replicas import (
    ReplicaRows,
    from_first_replica,
    mean_over_replicas,
    replicas,
    sum_over_replicas,
)
from lamina._common._types import Array, Shape, State, Tree

__all__ = [
    "Array",
    "Causal",
    "ReplicaRows",
    "Shape",
    "State",
    "Stateless",
    "Tree",
    "branch",
    "choice",
    "from_first_replica",
    "gradient",
    "integer",
    "invalid",
    "is_concrete",
    "is_exporting",
    "is_integer",
    "mean_over_replicas",
    "number",
    "positive_integer",
    "received",
    "received_text",
    "register",
    "replicas",
    "sum_over_replicas",
    "to_numpy",
]
