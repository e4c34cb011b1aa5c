"""What to use instead of layers that can't be compiled."""

import re

_INSTEAD = {
    "conv3d": "3-D convolutions are not supported yet: train a 2-D or 2.5-D model",
    "convlstm": "recurrent layers are not supported: train a 2-D or 2.5-D model",
    "droppath": "leave it out, it acts in training alone",
    "dropblock": "leave it out, it acts in training alone",
    "dropout": "use a Dropout layer",
    "filterresponsenorm": "use a GroupNormalization layer",
    "gelu": "use Activation('gelu')",
    "groupnorm": "use a GroupNormalization layer",
    "instancenorm": "use GroupNormalization(groups=-1)",
    "layernorm": "use a LayerNormalization layer",
    "lstm": "recurrent layers are not supported: train a 2-D or 2.5-D model",
    "maxpoolingwithargmax": "use MaxPooling2D and UpSampling2D layers",
    "mish": "use Activation('mish')",
    "pixelshuffle": "use a Conv2DTranspose layer, or call tf.nn.depth_to_space between layers",
    "reflectionpadding": "call keras.ops.pad(x, ..., mode='reflect') between layers",
    "reflectpadding": "call keras.ops.pad(x, ..., mode='reflect') between layers",
    "resize": "use a Resizing or an UpSampling2D layer",
    "spectralnormalization": "save the model with the layer inside of it alone",
    "swish": "use Activation('silu')",
    "upsampling": "use an UpSampling2D layer",
    "weightstandard": "write the standardized kernel into a Conv2D layer",
}
_DEFAULT = "replace it by built-in Keras layers"


def instead_of(kind: str) -> str:
    """Return what to do about a layer of a kind that can't be compiled.

    Parameters
    ----------
    kind
        Name of the layer's class.
    """
    plain = re.split(r"[.>]", kind)[-1].lower().replace("_", "")
    fitting = [advice for word, advice in _INSTEAD.items() if word in plain]
    return f"{fitting[0]}; or {_DEFAULT}" if fitting else _DEFAULT
