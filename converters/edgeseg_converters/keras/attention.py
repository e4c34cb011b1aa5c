"""Multi-head attention that reads its query, value and key as a list."""

from functools import cache
from typing import Any

from edgeseg_converters.keras.quiet import import_keras


@cache
def attention_of_list() -> Any:
    """Return the class of a layer that calls Keras's own on a list: query, value, perhaps key."""
    keras = import_keras()

    class MultiHeadAttention(keras.layers.Layer):  # type: ignore[misc, name-defined] # untyped
        def __init__(self, name: str, **settings: Any) -> None:
            super().__init__(name=name)
            self._attention = keras.layers.MultiHeadAttention(**settings)

        def build(self, shapes: Any) -> None:
            self._attention.build(*shapes)

        def call(self, inputs: Any) -> Any:
            return self._attention(*inputs)

    return MultiHeadAttention
