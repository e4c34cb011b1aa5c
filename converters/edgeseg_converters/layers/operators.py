"""Functions that the kind ``Operator`` stands for: what they do to the places of a tensor."""

COMPARISONS = frozenset({"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"})
"""Functions that make one where a comparison holds and zero elsewhere."""

SCALINGS = frozenset({"add", "divide", "multiply", "subtract"})
"""Functions that TFLite folds into their neighbours where one of the operands is constant."""

OF_ONE_VALUE = frozenset(
    {
        "absolute",
        "ceil",
        "cos",
        "erf",
        "exp",
        "expm1",
        "floor",
        "log",
        "log1p",
        "reciprocal",
        "round",
        "rsqrt",
        "sign",
        "sin",
        "sqrt",
        "square",
    }
)
"""Functions of a value."""

ELEMENTWISE = (
    COMPARISONS
    | OF_ONE_VALUE
    | SCALINGS
    | {"clip", "floor_divide", "gelu_tanh", "maximum", "minimum", "mod", "power", "where"}
)
"""Functions that compute each value of each place for itself."""

REDUCTIONS = frozenset({"logsumexp", "max", "mean", "min", "prod", "std", "sum", "var"})
"""Functions that make one value of all along some axes."""

FULL: tuple[int, ...] = ()
"""All of an axis, in the ``key`` of a slice; else a number, or where it starts, stops and steps."""
