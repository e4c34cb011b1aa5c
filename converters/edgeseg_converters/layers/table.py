"""The table of layer kinds, a row a kind; partial rows hold what a family has in common."""

import pkgutil
from functools import partial
from typing import Any

from edgeseg_converters.layers import products, profiler_extras
from edgeseg_converters.layers.channel_flow import (
    always_normalized_together,
    bound_by_own_factors,
    bound_in_groups,
    bound_over_last_axis,
    bound_unless_alone,
    bound_unless_last_axis,
    never_bound,
    with_groups,
    with_last_extent,
    with_width,
)
from edgeseg_converters.layers.kind import (
    ActivationOf,
    ChannelFlow,
    CostRule,
    Fusion,
    Keras2Names,
    KernelLayout,
    LayerKind,
)
from edgeseg_converters.layers.row_flow import (
    all_rows,
    each_row,
    each_row_with_shared_slopes,
    enlarged,
    rows_of_function,
    shifted,
    sliding,
    transposed,
)

_CONVOLUTION = ("kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias")
_NORMALIZATION = ("axis", "epsilon", "center", "scale")
_SAME_NAMES = Keras2Names()
_NO_EXTRAS = CostRule(
    on_input_grid=False, outputs_at_once=1, profiler_extras=profiler_extras.nothing
)


def _with_extras(count: Any) -> CostRule:
    return CostRule(on_input_grid=False, outputs_at_once=1, profiler_extras=count)


def _with_products(count: Any) -> CostRule:
    return CostRule(
        on_input_grid=False,
        outputs_at_once=1,
        profiler_extras=profiler_extras.nothing,
        products=count,
    )


def _own_class(reference: str) -> Any:
    """Return the class that a function of this package makes; it needs TensorFlow."""
    return pkgutil.resolve_name(reference)()


_kernel_layer = partial(
    LayerKind,
    keras_class=None,
    keras_2=_SAME_NAMES,
    fusion=Fusion.CONVOLUTION,
    binds_channels=never_bound,
    resized=with_width,
    batch_statistics=False,
    activation=ActivationOf.SETTING,
    cost=_NO_EXTRAS,
)
_filters = partial(_kernel_layer, channels=ChannelFlow.MADE, divisible=True)
_projection = partial(
    _kernel_layer,
    rows=all_rows,
    channels=ChannelFlow.MIXED,
    kernel=KernelLayout.PROJECTION,
    divisible=False,
)
_no_kernel = partial(
    LayerKind,
    keras_class=None,
    keras_2=_SAME_NAMES,
    resized=with_width,
    kernel=KernelLayout.NONE,
    divisible=False,
)
_activation = partial(
    _no_kernel,
    fusion=Fusion.ACTIVATION,
    channels=ChannelFlow.KEPT,
    binds_channels=never_bound,
    batch_statistics=False,
)
_normalization = partial(_no_kernel, activation=ActivationOf.SETTING, cost=_NO_EXTRAS)
_plain = partial(
    _no_kernel,
    fusion=Fusion.NONE,
    binds_channels=never_bound,
    batch_statistics=False,
)
_pooling = partial(_plain, channels=ChannelFlow.KEPT, activation=ActivationOf.SETTING)
_merge = partial(
    _plain,
    settings=(),
    rows=each_row,
    channels=ChannelFlow.MERGED,
    cost=_with_extras(profiler_extras.merging),
)
_mixture = partial(
    _plain,
    rows=all_rows,
    channels=ChannelFlow.MIXED,
    activation=ActivationOf.SETTING,
)
_rearrangement = partial(_plain, rows=all_rows, channels=ChannelFlow.MOVED, cost=_NO_EXTRAS)

LAYER_KINDS = (
    # Layers with kernels.
    _filters(
        name="Conv2D",
        settings=("filters", *_CONVOLUTION, "groups"),
        keras_2=Keras2Names(folds_norm=True),
        rows=sliding("kernel_size"),
        binds_channels=bound_in_groups,
        kernel=KernelLayout.SLIDING,
    ),
    _filters(
        name="Conv2DTranspose",
        settings=("filters", *_CONVOLUTION, "output_padding"),
        rows=transposed,
        kernel=KernelLayout.TRANSPOSED,
        cost=CostRule(
            on_input_grid=True, outputs_at_once=1, profiler_extras=profiler_extras.shape_arithmetic
        ),
    ),
    _filters(
        name="SeparableConv2D",
        settings=("filters", *_CONVOLUTION, "depth_multiplier"),
        rows=sliding("kernel_size"),
        kernel=KernelLayout.SEPARABLE,
    ),
    _kernel_layer(
        name="DepthwiseConv2D",
        settings=(*_CONVOLUTION, "depth_multiplier"),
        keras_2=Keras2Names(variables={"kernel": "depthwise_kernel"}, folds_norm=True),
        rows=sliding("kernel_size"),
        channels=ChannelFlow.KEPT,
        kernel=KernelLayout.DEPTHWISE,
        divisible=False,
    ),
    _filters(
        name="Dense",
        settings=("units", "activation", "use_bias"),
        keras_2=Keras2Names(folds_norm=True),
        rows=each_row,
        kernel=KernelLayout.MATRIX,
        divisible=False,
    ),
    _filters(
        name="Conv1D",
        settings=("filters", *_CONVOLUTION, "groups"),
        rows=all_rows,
        binds_channels=bound_in_groups,
        kernel=KernelLayout.LINE,
        divisible=False,
    ),
    _projection(
        name="EinsumDense",
        settings=("equation", "output_shape", "activation", "bias_axes"),
        cost=_NO_EXTRAS,
    ),
    _projection(
        name="MultiHeadAttention",
        settings=(
            "num_heads",
            "key_dim",
            "value_dim",
            "use_bias",
            "output_shape",
            "attention_axes",
        ),
        keras_class=partial(_own_class, "edgeseg_converters.keras.attention:attention_of_list"),
        keras_2=None,
        cost=_with_products(products.multi_head_attention),
    ),
    # Activations.
    _activation(
        name="Activation",
        settings=("activation",),
        rows=each_row,
        activation=ActivationOf.SETTING,
        cost=_NO_EXTRAS,
    ),
    _activation(name="ELU", settings=("alpha",), rows=each_row, activation="elu", cost=_NO_EXTRAS),
    _activation(
        name="LeakyReLU",
        settings=("negative_slope",),
        keras_2=Keras2Names(settings={"negative_slope": "alpha"}),
        rows=each_row,
        activation="leakyrelu",
        cost=_NO_EXTRAS,
    ),
    _activation(
        name="PReLU",
        settings=("shared_axes",),
        rows=each_row_with_shared_slopes,
        activation="prelu",
        cost=_NO_EXTRAS,
    ),
    _activation(
        name="ReLU",
        settings=("max_value", "negative_slope", "threshold"),
        rows=each_row,
        activation="relu",
        cost=_NO_EXTRAS,
    ),
    _activation(
        name="Softmax",
        settings=("axis",),
        rows=each_row,
        channels=ChannelFlow.NORMALIZED,
        binds_channels=bound_over_last_axis,
        activation="softmax",
        cost=_with_extras(profiler_extras.softmax),
    ),
    # Normalizations.
    _normalization(
        name="BatchNormalization",
        settings=_NORMALIZATION,
        fusion=Fusion.SCALING,
        rows=each_row,
        channels=ChannelFlow.KEPT,
        binds_channels=bound_unless_last_axis,
        batch_statistics=True,
    ),
    _normalization(
        name="GroupNormalization",
        settings=("groups", *_NORMALIZATION),
        fusion=Fusion.NONE,
        rows=all_rows,
        channels=ChannelFlow.NORMALIZED,
        binds_channels=bound_unless_alone,
        resized=with_groups,
        batch_statistics=False,
    ),
    _normalization(
        name="LayerNormalization",
        settings=_NORMALIZATION,
        fusion=Fusion.NONE,
        rows=each_row,
        channels=ChannelFlow.NORMALIZED,
        binds_channels=always_normalized_together,
        batch_statistics=False,
    ),
    _normalization(
        name="RMSNormalization",
        settings=("axis", "epsilon"),
        keras_2=None,
        fusion=Fusion.NONE,
        rows=each_row,
        channels=ChannelFlow.NORMALIZED,
        binds_channels=always_normalized_together,
        batch_statistics=False,
    ),
    _normalization(
        name="UnitNormalization",
        settings=("axis",),
        fusion=Fusion.NONE,
        rows=each_row,
        channels=ChannelFlow.NORMALIZED,
        binds_channels=always_normalized_together,
        batch_statistics=False,
    ),
    _normalization(
        name="Rescaling",
        settings=("scale", "offset"),
        fusion=Fusion.SCALING,
        rows=each_row,
        channels=ChannelFlow.KEPT,
        binds_channels=bound_by_own_factors,
        batch_statistics=False,
    ),
    # Pooling.
    *(
        _pooling(
            name=name,
            settings=("pool_size", "strides", "padding"),
            rows=sliding("pool_size"),
            cost=_with_extras(profiler_extras.pooling),
        )
        for name in ("AveragePooling2D", "MaxPooling2D")
    ),
    *(
        _pooling(
            name=name,
            settings=("keepdims",),
            rows=all_rows,
            cost=_with_extras(profiler_extras.global_pooling),
        )
        for name in ("GlobalAveragePooling2D", "GlobalMaxPooling2D")
    ),
    # Merges.
    *(
        _merge(name=name, activation=ActivationOf.SETTING)
        for name in ("Add", "Multiply", "Subtract")
    ),
    *(
        _merge(name=name, activation=ActivationOf.INPUT)
        for name in ("Average", "Maximum", "Minimum")
    ),
    _merge(
        name="Concatenate",
        settings=("axis",),
        channels=ChannelFlow.JOINED,
        activation=ActivationOf.INPUT,
        cost=_NO_EXTRAS,
    ),
    # Products of tensors.
    _mixture(
        name="Dot",
        settings=("axes", "normalize"),
        cost=_with_products(products.dot),
    ),
    *(
        _mixture(
            name=name,
            settings=settings,
            cost=_with_products(products.attention),
        )
        for name, settings in (
            ("AdditiveAttention", ("use_scale",)),
            ("Attention", ("use_scale", "score_mode")),
        )
    ),
    # Functions of tensors that no layer stands for.
    _mixture(
        name="Operator",
        settings=("function", "operands", "options"),
        keras_class=partial(_own_class, "edgeseg_converters.keras.operator_layer:operator_layer"),
        keras_2=None,
        rows=rows_of_function,
        cost=CostRule(
            on_input_grid=False,
            outputs_at_once=1,
            profiler_extras=profiler_extras.reading,
            products=products.operator,
        ),
    ),
    # Other sizes and orders.
    _plain(
        name="Cropping2D",
        settings=("cropping",),
        rows=shifted("cropping", 1),
        channels=ChannelFlow.KEPT,
        activation=ActivationOf.INPUT,
        cost=_NO_EXTRAS,
    ),
    _plain(
        name="ZeroPadding2D",
        settings=("padding",),
        fusion=Fusion.PADDING,
        rows=shifted("padding", -1),
        channels=ChannelFlow.KEPT,
        activation=ActivationOf.SETTING,
        cost=_NO_EXTRAS,
    ),
    _plain(
        name="UpSampling2D",
        settings=("size", "interpolation"),
        rows=enlarged,
        channels=ChannelFlow.KEPT,
        activation=ActivationOf.INPUT,
        cost=_with_extras(profiler_extras.shape_arithmetic),
    ),
    _plain(
        name="Resizing",
        settings=("height", "width", "interpolation"),
        rows=all_rows,
        channels=ChannelFlow.KEPT,
        activation=ActivationOf.INPUT,
        cost=_NO_EXTRAS,
    ),
    _rearrangement(name="Flatten", settings=(), activation=ActivationOf.SETTING),
    _rearrangement(name="Permute", settings=("dims",), activation=ActivationOf.INPUT),
    _rearrangement(
        name="Reshape",
        settings=("target_shape",),
        resized=with_last_extent,
        activation=ActivationOf.INPUT,
    ),
    # Kinds that only rewrites make.
    _kernel_layer(
        name="WinogradConv2D",
        settings=("filters", *_CONVOLUTION, "groups"),
        keras_class=partial(_own_class, "edgeseg_converters.keras.winograd_conv2d:winograd_conv2d"),
        keras_2=None,
        rows=sliding("kernel_size"),
        channels=ChannelFlow.MIXED,
        kernel=KernelLayout.WINOGRAD,
        divisible=False,
        cost=CostRule(
            on_input_grid=False, outputs_at_once=2, profiler_extras=profiler_extras.nothing
        ),
    ),
    _plain(
        name="DepthToSpace",
        settings=("block_size",),
        keras_class=partial(_own_class, "edgeseg_converters.keras.depth_to_space:depth_to_space"),
        keras_2=None,
        rows=all_rows,
        channels=ChannelFlow.MIXED,
        activation=ActivationOf.SETTING,
        cost=_NO_EXTRAS,
    ),
)
"""Every kind that edgeseg itself compiles."""

TRAINING_ONLY = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "RandomBrightness",
        "RandomContrast",
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
        "SpatialDropout2D",
    }
)
"""Kinds that pass their input through once training is over; no graph has them."""
